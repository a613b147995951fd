"""Regional features: what an object detector finds, each object a region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError, WeightsNotFoundError
from mner.vision.backbones import HUB, read_weights
from mner.vision.encoder import ImageEncoder

STRIDE = 32
"""The coarsest level of a feature pyramid: sides of the canvas are multiples of it."""
SMALLEST_BOX = 0.01
"""Pixels: a detection with a shorter side is no region, as torchvision has it."""


class FasterRCNN(ImageEncoder):
    """Regional image features (section 3.1 of the paper; Ren et al. 2015): the best boxes of a frozen detector.

    A region is the box head's vector of the proposal behind a detection (1024 wide), with box, class and score. The
    detections are those of torchvision. Every picture is scaled onto one square canvas, whose rest stays empty, so
    that its features do not depend on the batch it is in.

    Args:
        name: A Faster R-CNN of torchvision.
        weights: ``hub`` for torchvision's (COCO), a weights file, ``pkg://package/file``, or ``None`` for random ones.
        regions: How many detections are kept at most, best first (R); the paper's code keeps 10.
        score_threshold: Detections with a lower score are dropped.
        image_size: Longer side of the scaled picture, in pixels.
        classes: Classes of the detector, background included.

    Raises:
        ConfigurationError: If torchvision has no such Faster R-CNN, or the weights do not fit.
        WeightsNotFoundError: If the weights are not there or cannot be reached.
    """

    def __init__(
        self,
        name: str = "fasterrcnn_resnet50_fpn_v2",
        weights: str | None = HUB,
        regions: int = 10,
        score_threshold: float = 0.05,
        image_size: int = 800,
        classes: int = 91,
    ) -> None:
        super().__init__()
        self.detector: Any = _create_detector(name, weights, classes)
        self.name = name
        self.regions = regions
        self.score_threshold = score_threshold
        self.image_size = image_size
        self.frozen = True
        self.hidden_size = int(self.detector.roi_heads.box_predictor.cls_score.in_features)
        self.requires_grad_(False)
        self.eval()

    def checkpoint_arguments(self) -> dict[str, Any]:
        """The given arguments, without the weights' source: the weights are in the checkpoint."""
        return {**super().checkpoint_arguments(), "weights": None}

    def transform(self, image: Image.Image) -> Tensor:
        """Scale a picture to ``image_size`` on its longer side, shape ``(3, H, W)``, values from 0 to 1."""
        from torchvision.transforms.functional import pil_to_tensor

        scale = self.image_size / max(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        scaled = image.resize((width, height), Image.Resampling.BILINEAR)
        return cast("Tensor", pil_to_tensor(scaled)).float() / 255

    def collate(self, images: Sequence[Tensor | None]) -> dict[str, Tensor] | None:
        """Put every picture onto a square canvas of its own.

        Returns:
            ``canvas`` of shape ``(B, 3, S, S)`` and ``sizes`` of shape ``(B, 2)``, the height and width in use; or
            ``None`` where no post has an image.
        """
        if all(image is None for image in images):
            return None
        side = -(-self.image_size // STRIDE) * STRIDE
        mean = torch.tensor(self.detector.transform.image_mean).view(3, 1, 1)
        deviation = torch.tensor(self.detector.transform.image_std).view(3, 1, 1)
        canvas = torch.zeros(len(images), 3, side, side)
        sizes = torch.zeros(len(images), 2, dtype=torch.long)
        for row, image in enumerate(images):
            if image is not None:
                height, width = image.shape[1:]
                canvas[row, :, :height, :width] = (image - mean) / deviation
                sizes[row] = torch.tensor([height, width])
        return {"canvas": canvas, "sizes": sizes}

    def encode(self, pixels: dict[str, Tensor]) -> ImageFeatures:
        """Detect, and keep the best regions of each picture.

        Args:
            pixels: What :meth:`collate` returned, of images that are all there.

        Returns:
            Regions of shape ``(B, R, 1024)``, best first, with their boxes, classes and scores; the pooled vector is
            the mean of the regions.
        """
        from torchvision.models.detection.image_list import ImageList

        canvas, sizes = pixels["canvas"], pixels["sizes"]
        heads = self.detector.roi_heads
        maps = self.detector.backbone(canvas)
        proposals, _ = self.detector.rpn(ImageList(canvas, [(height, width) for height, width in sizes.tolist()]), maps)
        # The pooling infers the stride of a map from these shapes, so they are the canvas's, not the picture's.
        vectors = heads.box_head(heads.box_roi_pool(maps, proposals, [canvas.shape[2:]] * len(canvas)))
        logits, offsets = heads.box_predictor(vectors)
        candidates = heads.box_coder.decode(offsets, proposals)
        picture = torch.cat(
            [boxes.new_full((len(boxes),), row, dtype=torch.long) for row, boxes in enumerate(proposals)]
        )
        return self._best(vectors, logits.softmax(dim=-1), candidates, picture, sizes)

    def _best(self, vectors: Tensor, scores: Tensor, boxes: Tensor, picture: Tensor, sizes: Tensor) -> ImageFeatures:
        """Choose the best detections of every picture at once.

        Args:
            vectors: The vector of each of N proposals, shape ``(N, V)``.
            scores: Its probability for each of C classes, the background first, shape ``(N, C)``.
            boxes: Its box for each class, in pixels, shape ``(N, C, 4)``.
            picture: The picture it is of, shape ``(N,)``.
            sizes: Height and width of each picture, shape ``(B, 2)``.
        """
        from torchvision.ops import batched_nms

        proposal, label = (scores[:, 1:] > self.score_threshold).nonzero(as_tuple=True)
        label = label + 1
        corners = sizes.flip(1).repeat(1, 2)
        box = boxes[proposal, label].clamp(min=0).minimum(corners[picture[proposal]])
        large = ((box[:, 2:] - box[:, :2]) >= SMALLEST_BOX).all(dim=1)
        proposal, label, box = proposal[large], label[large], box[large]
        score = scores[proposal, label]
        group = picture[proposal] * scores.shape[1] + label
        # In double precision, since large offsets keep the pictures and classes of a batch apart.
        kept = batched_nms(box.double(), score.double(), group, self.detector.roi_heads.nms_thresh)
        kept = kept[picture[proposal[kept]].argsort(stable=True)]
        row = picture[proposal[kept]]
        rank = torch.arange(len(row), device=row.device) - torch.searchsorted(row, row)
        kept, row, rank = (part[rank < self.regions] for part in (kept, row, rank))

        def place(values: Tensor) -> Tensor:
            """Put one value a detection at its picture and rank, shape ``(B, R, ...)``."""
            return values.new_zeros(len(sizes), self.regions, *values.shape[1:]).index_put((row, rank), values)

        regions = place(vectors[proposal[kept]])
        mask = place(torch.ones_like(rank, dtype=torch.bool))
        return ImageFeatures(
            regions=regions,
            mask=mask,
            pooled=regions.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1),
            boxes=place(box[kept] / corners[row]),
            classes=place(label[kept]),
            scores=place(score[kept]),
        )

    @property
    def class_names(self) -> list[str]:
        """The names of torchvision's own (COCO) classes, by index; the first is the background."""
        from torchvision.models import get_model_weights

        return list(get_model_weights(self.name).DEFAULT.meta["categories"])


def _create_detector(name: str, weights: str | Path | None, classes: int) -> Any:
    from torchvision.models import get_model
    from torchvision.models.detection import FasterRCNN as TorchvisionFasterRCNN

    from_hub = weights == HUB
    try:
        options = {"weights": "DEFAULT" if from_hub else None, "weights_backbone": None}
        detector = get_model(name, num_classes=classes, **options)
    except OSError as error:
        raise WeightsNotFoundError(
            f"the weights of torchvision's {name} cannot be fetched ({error}); download them where there is a network "
            "and give the file as weights"
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"torchvision cannot build {name!r} with {classes} classes: {error}") from error
    if not isinstance(detector, TorchvisionFasterRCNN):
        raise ConfigurationError(f"expected a Faster R-CNN, got {name!r}; try fasterrcnn_resnet50_fpn_v2")
    if weights is not None and not from_hub:
        try:
            detector.load_state_dict(read_weights(weights))
        except RuntimeError as error:
            raise ConfigurationError(f"{weights} does not fit {name} with {classes} classes: {error}") from error
    return detector

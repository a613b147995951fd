"""Regional features: what an object detector finds, each object a region."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mner.argument_types import check_range
from mner.batch import ImageFeatures
from mner.errors import ConfigurationError, WeightsNotFoundError
from mner.vision.backbones import HUB, read_weights, why_unfit
from mner.vision.detector_transform import DetectorTransform
from mner.vision.encoder import ImageEncoder
from mner.vision.timm_detector import create_timm_detector
from mner.weights import require_open_source

SMALLEST_BOX = 0.01
"""Minimum pixels per side: a smaller detection is not a region, as in torchvision."""


class FasterRCNN(ImageEncoder):
    """Regional image features (section 3.1 of the paper; Ren et al. 2015): the best boxes of a frozen detector.

    A region is the box head's vector of the proposal behind a detection (1024 wide in torchvision's detectors, 256 in
    those of :func:`~mner.vision.timm_detector.create_timm_detector`), with box, class and score. The detections are
    those of torchvision. Every image is scaled onto a square canvas of its own, so that its features do not depend on
    the batch it is in.

    Args:
        name: A Faster R-CNN of torchvision, or a network of timm with a Faster R-CNN that you trained on it.
        weights: ``hub`` for torchvision's (COCO), a weights file, ``pkg://package/file``, or ``None`` for random ones.
        max_regions: Maximum number of detections per image, best first (R); the paper's code keeps 10.
        score_threshold: Detections with a lower score are dropped.
        image_size: Longer side of the scaled image, in pixels.
        num_classes: Number of classes of the detector, background included.
        classes: Names of the classes of a detector of your own, without the background; they replace ``num_classes``.

    Raises:
        ConfigurationError: If there is no such Faster R-CNN, the weights do not fit, or an argument is out of range.
        WeightsNotFoundError: If the weights are not there or cannot be reached.
    """

    def __init__(
        self,
        name: str = "fasterrcnn_resnet50_fpn_v2",
        weights: str | None = HUB,
        max_regions: int = 10,
        score_threshold: float = 0.05,
        image_size: int = 800,
        num_classes: int = 91,
        classes: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        check_range("max_regions", max_regions, "[1, inf)")
        check_range("score_threshold", score_threshold, "[0, 1)")
        check_range("image_size", image_size, "[1, inf)")
        self.classes = None if classes is None else list(classes)
        num_classes = num_classes if self.classes is None else 1 + len(self.classes)
        if self.classes is not None and len(set(self.classes)) < max(1, len(self.classes)):
            raise ConfigurationError(f"expected at least one class, each once, got {self.classes}")
        check_range("num_classes", num_classes, "[2, inf)")
        self.detector: Any = _create_detector(name, weights, num_classes, image_size)
        self.name = name
        self.max_regions = max_regions
        self.score_threshold = score_threshold
        self.image_transform = DetectorTransform(
            image_size, tuple(self.detector.transform.image_mean), tuple(self.detector.transform.image_std)
        )
        self.frozen = True
        self.gives_boxes = True
        self.not_exported_because = "the number of its boxes depends on the image"
        self.hidden_size = int(self.detector.roi_heads.box_predictor.cls_score.in_features)
        self.requires_grad_(False)
        self.eval()

    def checkpoint_arguments(self) -> dict[str, Any]:
        """The given arguments, without the weights' source: the weights are in the checkpoint."""
        return {**super().checkpoint_arguments(), "weights": None}

    def encode(self, pixels: dict[str, Tensor]) -> ImageFeatures:
        """Detect, and keep the best regions of each image.

        Args:
            pixels: What :meth:`DetectorTransform.collate` returned, of images that are all present.

        Returns:
            Regions of shape ``(B, R, V)``, best first, with their boxes, classes and scores; the pooled vector is
            the mean of the regions.
        """
        from torchvision.models.detection.image_list import ImageList

        canvas, sizes = pixels["canvas"], pixels["sizes"]
        heads = self.detector.roi_heads
        maps = self.detector.backbone(canvas)
        proposals, _ = self.detector.rpn(ImageList(canvas, [(height, width) for height, width in sizes.tolist()]), maps)
        # The pooling infers the stride of a map from these shapes, so they are the canvas's, not the image's.
        vectors = heads.box_head(heads.box_roi_pool(maps, proposals, [canvas.shape[2:]] * len(canvas)))
        logits, offsets = heads.box_predictor(vectors)
        # Of no proposal, torchvision returns another number of dimensions.
        candidates = heads.box_coder.decode(offsets, proposals).reshape(*logits.shape, 4)
        image = torch.cat([boxes.new_full((len(boxes),), row, dtype=torch.long) for row, boxes in enumerate(proposals)])
        return self._best(vectors, logits.softmax(dim=-1), candidates, image, sizes)

    def _best(self, vectors: Tensor, scores: Tensor, boxes: Tensor, image: Tensor, sizes: Tensor) -> ImageFeatures:
        """Choose the best detections of every image at once.

        Args:
            vectors: The vector of each of N proposals, shape ``(N, V)``.
            scores: Its probability for each of C classes, the background first, shape ``(N, C)``.
            boxes: Its box for each class, in pixels, shape ``(N, C, 4)``.
            image: The image it belongs to, shape ``(N,)``.
            sizes: Height and width of each image, shape ``(B, 2)``.
        """
        from torchvision.ops import batched_nms

        corners = sizes.flip(1).repeat(1, 2)
        boxes = boxes.clamp(min=0).minimum(corners[image].unsqueeze(1))
        large = ((boxes[..., 2:] - boxes[..., :2]) >= SMALLEST_BOX).all(dim=-1)
        detected = (scores > self.score_threshold) & large
        # A GPU waits here and in the suppression for their numbers, once per batch; torchvision's detector also does.
        proposal, label = detected[:, 1:].nonzero(as_tuple=True)
        label = label + 1
        score, box = scores[proposal, label], boxes[proposal, label]
        group = image[proposal] * scores.shape[1] + label
        # Large offsets keep the images and classes of a batch apart; Apple's GPUs have no double precision.
        precise = torch.float32 if box.device.type == "mps" else torch.float64
        kept = batched_nms(box.to(precise), score.to(precise), group, self.detector.roi_heads.nms_thresh)
        kept = kept[image[proposal[kept]].argsort(stable=True)]
        row = image[proposal[kept]]
        rank = torch.arange(len(row), device=row.device) - torch.searchsorted(row, row)
        column = rank.clamp(max=self.max_regions)  # one more than is returned, for all that is left out

        def place(values: Tensor) -> Tensor:
            """Put one value per detection at its image and rank, shape ``(B, R, ...)``."""
            placed = values.new_zeros(len(sizes), self.max_regions + 1, *values.shape[1:])
            return placed.index_put((row, column), values)[:, :-1]

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
        """The names of ``classes``, or torchvision's own (COCO), by index; the first is the background."""
        from torchvision.models import get_model_weights

        if self.classes is not None:
            return ["__background__", *self.classes]
        return list(get_model_weights(self.name).DEFAULT.meta["categories"])


def _create_detector(name: str, weights: str | Path | None, num_classes: int, image_size: int) -> Any:
    import timm
    from torchvision.models import detection, list_models
    from torchvision.models.detection import FasterRCNN as TorchvisionFasterRCNN

    from_hub = weights == HUB
    if from_hub:
        require_open_source("the weights of", name)
    if name not in list_models(module=detection) and timm.is_model(name):
        if from_hub:
            raise ConfigurationError(
                f"no detector on timm's {name!r} has been published: train one, for example with "
                "examples/train_detector.py, and give its file as weights"
            )
        detector = create_timm_detector(name, None, num_classes, image_size)
    else:
        detector = _from_torchvision(name, from_hub, num_classes)
    if not isinstance(detector, TorchvisionFasterRCNN):
        raise ConfigurationError(f"expected a Faster R-CNN, got {name!r}; try fasterrcnn_resnet50_fpn_v2")
    if weights is not None and not from_hub:
        state = read_weights(weights)
        try:
            detector.load_state_dict(state)
        except RuntimeError as error:
            raise ConfigurationError(
                f"{weights} does not fit {name} with {num_classes} classes, background included: "
                f"{why_unfit(detector.state_dict(), state)}; give name and classes, or num_classes, of its training"
            ) from error
    return detector


def _from_torchvision(name: str, from_hub: bool, num_classes: int) -> Any:
    from torchvision.models import get_model

    try:
        options = {"weights": "DEFAULT" if from_hub else None, "weights_backbone": None}
        return get_model(name, num_classes=num_classes, **options)
    except OSError as error:
        raise WeightsNotFoundError(
            f"the weights of torchvision's {name} cannot be fetched ({error}); download them where there is a network "
            "and give the file as weights"
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"torchvision cannot build {name!r} with {num_classes} classes: {error}") from error

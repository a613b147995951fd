"""Crops as regions: the best boxes of a detector or of a file, each encoded as an image of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError
from mner.vision.box_crops import BoxCrops
from mner.vision.detector_transform import DetectorTransform
from mner.vision.encoder import ImageEncoder
from mner.vision.file_transform import FileTransform
from mner.vision.fingerprint import content_hash
from mner.vision.grid import Grid
from mner.vision.registry import as_image_encoder
from mner.weights import sources_are_closed

WHOLE = (0.0, 0.0, 1.0, 1.0)


class DetectedCrops(ImageEncoder):
    """The objects of an image as images: what HVPNeT (Chen et al. 2022) and UMGF (Zhang et al. 2021) feed their models.

    A box becomes one region, the pooled vector of its crop, or with ``regions="all"`` all regions of its crop in order.
    The boxes come from a detector, or from a file that any other program wrote:

    * A detector is any image encoder that returns boxes from a
      :class:`~mner.vision.detector_transform.DetectorTransform`, such as :class:`~mner.vision.FasterRCNN`. Crops are
      cut from the detector's scaled image, on its device, and scaled to the input size of the encoder without keeping
      the aspect ratio.
    * A file has a line ``{"image": "17_06_1818.jpg", "boxes": [[x1, y1, x2, y2], ...], "scores": [...]}`` per image.
      Crops are cut from the image at full resolution by the data loader, and transformed as the encoder transforms
      images.

    ``boxes``, ``scores`` and, from a detector, ``classes`` are kept with the regions. A checkpoint contains the encoder
    and the detector, but not the file: give it again with :func:`~mner.vision.use_region_file`.

    Args:
        image_encoder: Encodes a crop: a part, or a name from ``mner.vision.registry``. A network of timm
            (:class:`~mner.vision.Grid`) if there is a detector.
        detector: Finds the boxes: a part, or a name such as ``faster_rcnn``.
        box_file: The file of boxes, instead of a detector.
        max_crops: Maximum number of boxes per image, best first.
        whole_image: Whether the whole image is the first crop, in addition to ``max_crops``.
        regions: ``pooled`` for one vector per crop, ``all`` for all regions of each.

    Raises:
        ConfigurationError: If there is neither a detector nor a file or both, a part is unsuitable, or ``max_crops`` is
            out of range.
        DatasetNotFoundError: If the file is not there.
        FormatError: If it is not a file of boxes; names the line.
    """

    def __init__(
        self,
        image_encoder: ImageEncoder | str,
        detector: ImageEncoder | str | None = None,
        box_file: str | Path | None = None,
        max_crops: int = 3,
        whole_image: bool = True,
        regions: Literal["pooled", "all"] = "pooled",
    ) -> None:
        super().__init__()
        if detector is not None and box_file is not None:
            raise ConfigurationError("expected either a detector or a box_file, got both")
        if detector is None and box_file is None and not sources_are_closed():  # a checkpoint names no file
            raise ConfigurationError("expected a detector, such as faster_rcnn, or a box_file, got neither")
        if max_crops < (0 if whole_image else 1):
            raise ConfigurationError(f"expected max_crops of at least 1, or 0 with whole_image, got {max_crops}")
        self.image_encoder = as_image_encoder(image_encoder)
        self.detector = None if detector is None else as_image_encoder(detector)
        self.max_crops = max_crops
        self.whole_image = whole_image
        self.regions = regions
        self.hidden_size = self.image_encoder.hidden_size
        self.frozen = self.image_encoder.frozen
        self.learning_rate = self.image_encoder.learning_rate
        self.gives_boxes = True
        self.not_exported_because = "the number of its crops depends on the image"
        if self.detector is None:
            _check_sizes(self.image_encoder)
            self.image_transform = BoxCrops(self.image_encoder.image_transform, box_file, max_crops, whole_image)
        else:
            _check(self.image_encoder, self.detector)
            self.detector.requires_grad_(False)
            self.image_transform = self.detector.image_transform
        self.train(self.training)

    def checkpoint_arguments(self) -> dict[str, Any]:
        """The given arguments with the parts as they were built, and without the file."""
        parts = {"image_encoder": self.image_encoder, "detector": self.detector, "box_file": None}
        return {**super().checkpoint_arguments(), **parts}

    @property
    def feature_source(self) -> str:
        """The content of the file of boxes, by which stored features are kept apart."""
        path = self.image_transform.path if isinstance(self.image_transform, BoxCrops) else None
        return "" if path is None else content_hash(path.read_bytes()).hex()

    @property
    def class_names(self) -> list[str]:
        """The detector's names of the classes of regions; the whole image has the first, the background."""
        names: list[str] = getattr(self.detector, "class_names", [])
        return names

    def encode(self, pixels: Any) -> ImageFeatures:
        """Encode the crops of images that are all present.

        Args:
            pixels: What ``image_transform.collate`` returned.

        Returns:
            Regions of shape ``(B, R, V)``, best first, with boxes and scores; the pooled vector is that of the whole
            image if it is a region, else the mean of the regions.
        """
        if self.detector is None:
            boxes, scores, mask, classes = pixels["boxes"], pixels["scores"], pixels["mask"], None
        else:
            boxes, scores, mask, classes = self._detect(self.detector, pixels)
        place = mask.flatten().nonzero().squeeze(1)  # a GPU waits here for the number of crops, once per batch
        crops = pixels["crops"].flatten(0, 1)[place] if self.detector is None else self._cut(pixels, boxes, place)
        encoded = self.image_encoder(crops, torch.ones(len(crops), dtype=torch.bool))
        if self.regions == "pooled":
            vectors, real = encoded.pooled[:, None], torch.ones_like(encoded.mask[:, :1])
        else:
            vectors, real = encoded.regions, encoded.mask

        def by_image(values: Tensor) -> Tensor:
            """Put one value per crop at its place, shape ``(B, N, ...)``."""
            placed = values.new_zeros(mask.numel(), *values.shape[1:]).index_copy(0, place, values)
            return placed.view(*mask.shape, *values.shape[1:])

        pooled = by_image(encoded.pooled)
        pooled = pooled[:, 0] if self.whole_image else pooled.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        each = vectors.shape[1]
        return ImageFeatures(
            regions=by_image(vectors).flatten(1, 2),
            mask=by_image(real).flatten(1),
            pooled=pooled,
            boxes=boxes.repeat_interleave(each, dim=1),
            classes=None if classes is None else classes.repeat_interleave(each, dim=1),
            scores=scores.repeat_interleave(each, dim=1),
        )

    def _detect(self, detector: ImageEncoder, pixels: Any) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """The best boxes, their scores, which are real, and their classes, each of shape ``(B, R, ...)``."""
        with torch.no_grad():
            found = detector(pixels, torch.ones(len(pixels["sizes"]), dtype=torch.bool))
        if found.boxes is None:
            raise ConfigurationError(f"expected a detector, got a {type(detector).__name__}, which returns no boxes")
        mask, scores = found.mask, torch.ones_like(found.boxes[..., 0]) if found.scores is None else found.scores
        best = scores.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True)[:, : self.max_crops]
        boxes = found.boxes.gather(1, best[..., None].expand(-1, -1, 4))
        scores, mask = scores.gather(1, best), mask.gather(1, best)
        classes = None if found.classes is None else found.classes.gather(1, best)
        if self.whole_image:
            first = boxes.new_ones(len(boxes), 1)
            boxes = torch.cat([boxes.new_tensor(WHOLE).expand(len(boxes), 1, 4), boxes], dim=1)
            scores, mask = torch.cat([first, scores], dim=1), torch.cat([first.bool(), mask], dim=1)
            classes = None if classes is None else torch.cat([first.to(classes.dtype) * 0, classes], dim=1)
        return boxes, scores, mask, classes

    def _cut(self, pixels: dict[str, Tensor], boxes: Tensor, place: Tensor) -> Tensor:
        """Scale boxes of the detector's images to the encoder's input, shape ``(N, 3, H, W)``.

        Args:
            pixels: What the detector read.
            boxes: Shape ``(B, R, 4)``.
            place: Index of each of N boxes among all B * R.
        """
        from torchvision.ops import roi_align

        encoder, transform = self.image_encoder, self.image_transform
        assert isinstance(encoder, Grid)
        assert isinstance(transform, DetectorTransform)
        canvas, sizes = pixels["canvas"], pixels["sizes"]
        corners = boxes.float() * sizes.flip(1).repeat(1, 2)[:, None]
        image = place // boxes.shape[1]
        rois = torch.cat([image[:, None].float(), corners.flatten(0, 1)[place]], dim=1)
        with torch.autocast(canvas.device.type, enabled=False):
            crops = roi_align(canvas.float(), rois, encoder.preprocessing["input_size"][1:], aligned=True)
        mean, deviation, own_mean, own_deviation = (
            torch.tensor(values, device=crops.device).view(3, 1, 1)
            for values in (transform.mean, transform.deviation, *map(encoder.preprocessing.get, ("mean", "std")))
        )
        normalised: Tensor = (crops * deviation + mean - own_mean) / own_deviation
        return normalised.to(canvas.dtype)


def _check_sizes(encoder: ImageEncoder) -> None:
    """Refuse an encoder of crops that reads no crop, or whose transform does not scale crops to one size."""
    transform = encoder.image_transform
    sizes = ((64, 48), (48, 64))
    if isinstance(transform, FileTransform) or len({transform(Image.new("RGB", size)).shape for size in sizes}) > 1:
        raise ConfigurationError(
            f"expected an encoder of crops that reads images scaled to one size, such as a Grid, got a "
            f"{type(encoder).__name__}"
        )


def _check(encoder: ImageEncoder, detector: ImageEncoder) -> None:
    if not isinstance(detector.image_transform, DetectorTransform):
        raise ConfigurationError(
            f"expected a detector whose image_transform is a DetectorTransform, such as faster_rcnn, got a "
            f"{type(detector).__name__}; write its boxes to a file and give it as box_file"
        )
    if not isinstance(encoder, Grid):
        raise ConfigurationError(
            f"expected a network of timm as the encoder of crops, got a {type(encoder).__name__}: the crops of a "
            "detector are scaled to the input of such a network; write the boxes to a file and give it as box_file"
        )

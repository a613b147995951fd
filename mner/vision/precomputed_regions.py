"""Region features that others computed: a file of id to vectors in place of an image encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError
from mner.vision.encoder import ImageEncoder
from mner.vision.file_transform import FileTransform
from mner.vision.region_file import RegionFile


class PrecomputedRegions(ImageEncoder):
    """Region features read from a file, one array of shape ``(R, V)`` per image.

    The file is ``.npz``, ``.pt`` (a dict of tensors) or HDF5 (``.h5``, ``.hdf5``), and is read one image at a time, so
    it may be larger than memory. R may differ between images. The pooled vector is the mean of the regions.

    A checkpoint keeps the width of a region, not the file: a checkpoint never makes its user's machine read a file.
    Give it again with :func:`use_region_file`.

    Args:
        path: The file.
        key: What its ids are: ``image``, the image's file name with or without its suffix, or ``post``, the post's id.
        max_regions: Maximum number of regions per image, the first ones of the file; ``None`` for all.
        hidden_size: Width of a region (V); ``None`` takes it from the file, which then must be there.
        boxes: Whether the file also has boxes, for grounding: for each id an array ``<id>.boxes`` of shape ``(R, 4)``,
            corners ``x1, y1, x2, y2`` as fractions of width and height.

    Raises:
        DatasetNotFoundError: If the file is not there.
        FormatError: If the file is of no such format, or contains no array of shape ``(R, V)``.
        ConfigurationError: If ``key`` is unknown, a number is out of range, or the file is HDF5 and h5py is not
            installed.
    """

    image_transform: RegionFile

    def __init__(
        self,
        path: str | Path | None,
        key: Literal["image", "post"] = "image",
        max_regions: int | None = None,
        hidden_size: int | None = None,
        boxes: bool = False,
    ) -> None:
        super().__init__()
        self.frozen = True
        self.gives_boxes = boxes
        self.image_transform = RegionFile(path, key, max_regions, hidden_size, boxes)
        self.hidden_size = self.image_transform.hidden_size

    def checkpoint_arguments(self) -> dict[str, Any]:
        """The given arguments with the width of a region and without the file."""
        return {**super().checkpoint_arguments(), "path": None, "hidden_size": self.hidden_size}

    def encode(self, pixels: dict[str, Tensor]) -> ImageFeatures:
        """Return the regions as they are, with their mean."""
        regions, mask = pixels["regions"], pixels["mask"]
        pooled = regions.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        return ImageFeatures(regions, mask, pooled, boxes=pixels.get("boxes"))


def use_region_file(encoder: ImageEncoder | None, path: str | Path | None) -> None:
    """Set the file of a model that was loaded from a checkpoint, which names none.

    Args:
        encoder: The image encoder of the model.
        path: The file; ``None`` changes nothing.

    Raises:
        ConfigurationError: If there is a file and the encoder looks no features up.
    """
    if path is None:
        return
    if encoder is None or not isinstance(encoder.image_transform, FileTransform):
        raise ConfigurationError(
            "a region file is read by PrecomputedRegions and by DetectedCrops without a detector; this model's image "
            f"encoder is {type(encoder).__name__}, so leave it out"
        )
    encoder.image_transform.path = Path(path)

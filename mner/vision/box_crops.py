"""Crops of an image at the boxes of a file, as an image transform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mner.errors import ConfigurationError, FormatError, ImageError
from mner.posts import Post
from mner.vision.box_file import ImageBoxes, read_box_file
from mner.vision.file_transform import FileTransform, names_in_file
from mner.vision.transform import ImageTransform


class BoxCrops(FileTransform):
    """Cuts the best boxes of a file out of each image, at full resolution, and transforms every crop.

    Args:
        transform: The transform of the encoder of crops; its tensors must have one size.
        path: The file, see :func:`mner.vision.box_file.read_box_file`; ``None`` if it is yet to be set.
        max_crops: Maximum number of crops per image, best first.
        whole_image: Whether the whole image is the first crop, in addition to ``max_crops``.

    Raises:
        DatasetNotFoundError: If the file is not there.
        FormatError: If it is not a file of boxes; names the line.
    """

    content = "boxes"
    counted = "scores"

    def __init__(self, transform: ImageTransform, path: str | Path | None, max_crops: int, whole_image: bool) -> None:
        super().__init__(path)
        self.transform = transform
        self.max_crops = max_crops
        self.whole_image = whole_image
        self._read: tuple[Path, dict[str, ImageBoxes]] | None = None
        if self.path is not None:
            self._boxes()

    def __call__(self, image: Image.Image) -> Tensor:
        """Refuse: the boxes of an image are found by its name.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            f"the boxes of an image are found in {self.path} by its name, so an image without a name cannot be "
            "cropped; give a file, or a detector instead of the file of boxes"
        )

    def load(self, post: Post, read: Callable[[Path], Image.Image]) -> dict[str, Tensor] | None:
        """Read the image of a post and crop it.

        Returns:
            ``crops`` of shape ``(N, 3, H, W)``, ``boxes`` ``(N, 4)`` as fractions and ``scores`` ``(N,)``.

        Raises:
            ImageError: If the image cannot be used, or the file has no line for it.
            FormatError: If a box is not in the image.
            ConfigurationError: If no file is set.
        """
        if post.image is None:
            return None
        boxes = self._boxes()
        name = next((name for name in names_in_file(post.image) if name in boxes), None)
        if name is None:
            raise ImageError(
                f"{post.image}: {self.path} has no line for it; an image without boxes has a line with an empty list"
            )
        image, found = read(post.image), boxes[name]
        corners = self._inside(image, found)
        scores = found.scores[: self.max_crops]
        if self.whole_image:
            corners = np.concatenate([[[0, 0, *image.size]], corners])
            scores = np.concatenate([[1.0], scores])
        crops = [self.transform(image.crop(tuple(box))) for box in corners.tolist()]
        fractions = corners / np.tile(np.array(image.size), 2)
        return {
            "crops": torch.stack(crops) if crops else torch.zeros(0),
            "boxes": torch.from_numpy(fractions).float(),
            "scores": torch.from_numpy(scores).float(),
        }

    def _inside(self, image: Image.Image, found: ImageBoxes) -> Any:
        """The best boxes in whole pixels of the image."""
        corners = found.corners[: self.max_crops]
        corners = np.concatenate([np.floor(corners[:, :2]), np.ceil(corners[:, 2:])], axis=1)
        inside = np.clip(corners, 0, np.tile(np.array(image.size), 2))
        outside = (inside[:, :2] >= inside[:, 2:]).any(axis=1) | (found.corners[: self.max_crops, 2:] <= 1).all(axis=1)
        if outside.any():
            box = found.corners[: self.max_crops][outside][0].tolist()
            raise FormatError(
                self.path or "",
                found.line,
                f"the box {box} is not in the image of {image.size[0]}x{image.size[1]} pixels",
                "Expected corners in pixels of the upright image, not fractions",
            )
        return inside.astype(np.int64)

    def _boxes(self) -> dict[str, ImageBoxes]:
        path = self.given_path()
        if self._read is None or self._read[0] != path:
            self._read = (path, read_box_file(path))
        return self._read[1]

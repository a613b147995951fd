"""The preprocessing of an object detector, as an image transform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from PIL import Image
from torch import Tensor

from mner.vision.transform import ImageTransform

STRIDE = 32
"""Stride of the coarsest level of a feature pyramid: the sides of a canvas are multiples of it."""


@dataclass(frozen=True)
class DetectorTransform(ImageTransform):
    """Scales an image and puts it onto a square canvas of its own, normalised.

    Args:
        image_size: Longer side of the scaled image, in pixels.
        mean: Mean per channel of the images that the detector was trained with.
        deviation: Standard deviation per channel.
    """

    image_size: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __call__(self, image: Image.Image) -> Tensor:
        """Scale an RGB image to ``image_size`` on its longer side, shape ``(3, H, W)``, values from 0 to 1."""
        from torchvision.transforms.functional import pil_to_tensor

        scale = self.image_size / max(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        scaled = image.resize((width, height), Image.Resampling.BILINEAR)
        return cast("Tensor", pil_to_tensor(scaled)).float() / 255

    def collate(self, images: Sequence[Tensor | None]) -> dict[str, Tensor] | None:
        """Put every image onto a square canvas of its own.

        Returns:
            ``canvas`` of shape ``(B, 3, S, S)`` and ``sizes`` of shape ``(B, 2)``, the height and width in use; or
            ``None`` if no post has an image.
        """
        if all(image is None for image in images):
            return None
        side = -(-self.image_size // STRIDE) * STRIDE
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.deviation))
        canvas = torch.zeros(len(images), 3, side, side)
        sizes = torch.zeros(len(images), 2, dtype=torch.long)
        for row, image in enumerate(images):
            if image is not None:
                height, width = image.shape[1:]
                canvas[row, :, :height, :width] = (image - mean) / deviation
                sizes[row] = torch.tensor([height, width])
        return {"canvas": canvas, "sizes": sizes}

"""An image encoder outside mner: histograms of red, green and blue in each cell of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from mner.batch import ImageFeatures
from mner.vision import ImageEncoder, ImageTransform, register


@dataclass(frozen=True)
class BrightnessSteps(ImageTransform):
    """Scales an image and quantises the brightness of its pixels."""

    image_size: int
    bins: int

    def __call__(self, image: Image.Image) -> Tensor:
        """Transform an RGB image to shape ``(3, H, W)``."""
        scaled = pil_to_tensor(image.resize((self.image_size, self.image_size)))
        return scaled.to(torch.long) * self.bins // 256


@register("colour_grid")
class ColourGrid(ImageEncoder):
    """Colour histograms of the cells of a grid; nothing is learned.

    Args:
        cells: Cells along each side: an image has ``cells`` squared regions.
        bins: Number of bins per colour; a region is ``3 * bins`` wide.
        image_size: Side of the scaled image, in pixels; a multiple of ``cells``.
    """

    def __init__(self, cells: int = 4, bins: int = 8, image_size: int = 64) -> None:
        super().__init__()
        self.cells, self.bins = cells, bins
        self.image_transform = BrightnessSteps(image_size, bins)
        self.hidden_size = 3 * bins
        self.frozen = True
        self.eval()

    def encode(self, pixels: Tensor) -> ImageFeatures:
        """Compute the histogram of each cell: ``(B, 3, H, W)`` to regions of shape ``(B, cells * cells, 3 * bins)``."""
        present = torch.nn.functional.one_hot(pixels, self.bins).permute(0, 1, 4, 2, 3).flatten(1, 2).float()
        counts = torch.nn.functional.adaptive_avg_pool2d(present, self.cells)
        regions = counts.flatten(2).mT
        return ImageFeatures(regions, torch.ones(regions.shape[:2], dtype=torch.bool), regions.mean(dim=1))

"""The contract of an image encoder: pixels in, regions out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from mner.batch import ImageFeatures
from mner.components import Component


class ImageEncoder(Component, nn.Module, ABC):
    """Turns images into region vectors.

    A subclass sets ``hidden_size`` (V) and ``frozen`` in its constructor. While ``frozen`` is true the encoder's
    features may be cached, and its modules stay in evaluation mode.
    """

    hidden_size: int
    frozen: bool

    @abstractmethod
    def transform(self, image: Image.Image) -> Tensor:
        """Turn one RGB picture into the tensor that the encoder wants, shape ``(3, H, W)``."""

    @abstractmethod
    def forward(self, pixels: Any, mask: Tensor) -> ImageFeatures:
        """Encode a batch of images.

        Args:
            pixels: What :meth:`collate` returned.
            mask: True where a post has an image, shape ``(B,)``.

        Returns:
            Regions of shape ``(B, R, V)``, masked out and zero where ``mask`` is false.
        """

    def collate(self, images: Sequence[Tensor | None]) -> Any:
        """Batch transformed images; ``None`` stands for a missing one and becomes zeros.

        Returns:
            Pixels of shape ``(B, 3, H, W)``, or ``None`` where no post of the batch has an image.
        """
        shown = next((image for image in images if image is not None), None)
        if shown is None:
            return None
        return torch.stack([torch.zeros_like(shown) if image is None else image for image in images])

    def train(self, mode: bool = True) -> ImageEncoder:
        """Keep a frozen encoder in evaluation mode, so that batch-norm statistics never drift."""
        super().train(mode and not self.frozen)
        return self

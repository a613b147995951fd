"""The contract of an image encoder: pictures in, regions out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from mner.batch import ImageFeatures
from mner.components import Component
from mner.posts import Post


class ImageEncoder(Component, nn.Module, ABC):
    """Turns images into region vectors.

    A subclass sets ``hidden_size`` (V) and ``frozen`` in its constructor and gives :meth:`transform` and
    :meth:`encode`. While ``frozen`` is true its features may be cached, no gradient is kept, and its modules stay in
    evaluation mode. ``learning_rate`` is that of its trainable parameters, ``None`` for the text encoder's.
    """

    hidden_size: int
    frozen: bool
    learning_rate: float | None = None

    @abstractmethod
    def transform(self, image: Image.Image) -> Tensor:
        """Turn one RGB picture into the tensor that the encoder wants, for example of shape ``(3, H, W)``."""

    def encode(self, pixels: Any) -> ImageFeatures:
        """Encode images that are all there; :meth:`forward` sees to those that are not.

        Args:
            pixels: Rows of what :meth:`collate` returned, for example of shape ``(B, 3, H, W)``.

        Returns:
            Regions of shape ``(B, R, V)``.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither encode nor forward")

    def load(self, post: Post, read: Callable[[Path], Image.Image]) -> Tensor | None:
        """The transformed image of a post; an encoder that needs no pixels looks its features up instead.

        Args:
            post: The post.
            read: Reads an image file, for example a :class:`mner.images.ImageLoader`.

        Returns:
            What :meth:`collate` takes, or ``None`` where the post has no image.

        Raises:
            ImageError: If the post has an image that cannot be used.
        """
        return None if post.image is None else self.transform(read(post.image))

    def collate(self, images: Sequence[Tensor | None]) -> Any:
        """Batch transformed images; ``None`` stands for a missing one and becomes zeros.

        Returns:
            Pixels of shape ``(B, 3, H, W)``, or another encoder's choice of a tensor or a mapping of tensors with
            one row a post; ``None`` where no post of the batch has an image.
        """
        shown = next((image for image in images if image is not None), None)
        if shown is None:
            return None
        return torch.stack([torch.zeros_like(shown) if image is None else image for image in images])

    def forward(self, pixels: Any, mask: Tensor) -> ImageFeatures:
        """Encode a batch of which some posts may have no image.

        A missing image is not encoded at all, so it cannot move batch-norm statistics or cost time.

        Args:
            pixels: What :meth:`collate` returned.
            mask: True where a post has an image, shape ``(B,)``.

        Returns:
            Regions of shape ``(B, R, V)``, masked out and zero where ``mask`` is false; R is 1 in a batch
            without an image.
        """
        present = mask.nonzero().squeeze(1)
        if pixels is None or not len(present):
            dtype = next((parameter.dtype for parameter in self.parameters()), torch.get_default_dtype())
            nothing = torch.zeros(len(mask), 1, self.hidden_size, dtype=dtype, device=mask.device)
            return ImageFeatures(nothing, mask.new_zeros(len(mask), 1), nothing[:, 0])
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.encode(_rows(pixels, present))
        features.regions = features.regions.masked_fill(~features.mask[..., None], 0.0)
        placed: dict[str, Any] = {
            name: None if part is None else part.new_zeros(len(mask), *part.shape[1:]).index_copy(0, present, part)
            for name, part in vars(features).items()
        }
        return ImageFeatures(**placed)

    def train(self, mode: bool = True) -> ImageEncoder:
        """Keep a frozen encoder in evaluation mode, so that batch-norm statistics never drift."""
        super().train(mode and not self.frozen)
        return self


def _rows(pixels: Any, rows: Tensor) -> Any:
    if isinstance(pixels, Mapping):
        return {name: part.index_select(0, rows) for name, part in pixels.items()}
    return pixels.index_select(0, rows)

"""The contract of an image transform: how a post's image becomes an image encoder's input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from mner.components import Component
from mner.posts import Post


class ImageTransform(Component, ABC):
    """Turns images into the tensors that an image encoder reads.

    A plain, picklable object without an ``nn.Module``: it travels to loader workers without the encoder's weights. A
    subclass gives :meth:`__call__`.
    """

    reads_files: ClassVar[bool] = True
    """Whether the image files must be there; false where :meth:`load` looks features up instead."""

    @property
    def per_image(self) -> bool:
        """Whether :meth:`load` is called once per image of a post; else once per post, whatever its images."""
        return True

    @property
    def min_side(self) -> int | None:
        """Shorter side in pixels below which an image would be scaled up; ``None``, the default, if not known."""
        return None

    @abstractmethod
    def __call__(self, image: Image.Image) -> Tensor:
        """Transform one RGB image, for example to a tensor of shape ``(3, H, W)``."""

    def load(self, post: Post, read: Callable[[Path], Image.Image]) -> Any:
        """Read and transform the first image of a post; a transform that needs no pixels looks its features up instead.

        Args:
            post: The post.
            read: Reads an image file, for example a :class:`mner.images.ImageLoader`.

        Returns:
            What :meth:`collate` takes, or ``None`` if the post has no image.

        Raises:
            ImageError: If the post has an image that cannot be used.
        """
        return None if post.image is None else self(read(post.image))

    def collate(self, images: Sequence[Any]) -> Any:
        """Batch transformed images; ``None`` stands for a missing one and becomes zeros.

        Returns:
            Pixels of shape ``(B, 3, H, W)``, or another tensor or mapping of tensors with one row per post; ``None``
            if no post of the batch has an image.
        """
        shown = next((image for image in images if image is not None), None)
        if shown is None:
            return None
        return torch.stack([torch.zeros_like(shown) if image is None else image for image in images])

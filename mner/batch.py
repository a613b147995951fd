"""The tensors that the parts exchange: a batch of posts, its text features and its image features.

Letters: B posts, N encoder rows (a post has one, or several where it is windowed), P subwords, W words,
M images, C characters, R regions, D text width, V image width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from mner.errors import ConfigurationError
from mner.posts import Post

BatchType = TypeVar("BatchType", bound="Batch")


@dataclass
class ImageFeatures:
    """Images as regions.

    Args:
        regions: Region vectors, shape ``(B, R, V)``; zeros where ``mask`` is false.
        mask: True where a region is real, shape ``(B, R)``; false everywhere where a post has no image.
        pooled: One vector per image, shape ``(B, V)``; zeros where a post has no image.
        boxes: Corners ``(x1, y1, x2, y2)`` as fractions of width and height, shape ``(B, R, 4)``, or ``None``.
        classes: Class index of each region, shape ``(B, R)``, or ``None``.
        scores: Detector score of each region, shape ``(B, R)``, or ``None``.
        image_index: Which image of its post a region is of, from 0, shape ``(B, R)``; ``None`` if no post has several.
    """

    regions: Tensor
    mask: Tensor
    pooled: Tensor
    boxes: Tensor | None = None
    classes: Tensor | None = None
    scores: Tensor | None = None
    image_index: Tensor | None = None

    @property
    def present(self) -> Tensor:
        """True for each post that has an image, shape ``(B,)``."""
        return self.mask.any(dim=1)

    def to_dtype(self, dtype: torch.dtype) -> ImageFeatures:
        """Return the same features, regions and pooled vectors in another floating-point type."""
        return replace(self, regions=self.regions.to(dtype), pooled=self.pooled.to(dtype))

    def select(self, posts: Tensor) -> ImageFeatures:
        """Return the features of some posts, by their indices, shape ``(N,)``."""
        parts: dict[str, Any] = {name: None if part is None else part[posts] for name, part in vars(self).items()}
        return ImageFeatures(**parts)


@dataclass
class GoldBoxes:
    """The gold entities of B posts and their boxes, padded to E entities per post and G boxes per entity.

    Args:
        spans: First word of each entity and the one past its last, shape ``(B, E, 2)``; zeros where padded.
        known: True where an entity is real and the boxes of its post are annotated, shape ``(B, E)``.
        boxes: Corners ``(x1, y1, x2, y2)`` as fractions of width and height, shape ``(B, E, G, 4)``.
        shown: True where a box is real, shape ``(B, E, G)``; an entity without a box is not shown.
    """

    spans: Tensor
    known: Tensor
    boxes: Tensor
    shown: Tensor


@dataclass
class TextFeatures:
    """Posts as word vectors.

    Args:
        words: Word vectors, shape ``(B, W, D)``; zeros where ``mask`` is false.
        mask: True where a word is real, shape ``(B, W)``.
        pooled: One vector per post, shape ``(B, D)``.
        characters: Character features of each word, shape ``(B, W, K)``, or ``None``.
        fused: Fused word vectors, shape ``(B, W, F)``, once a fusion module has computed emissions from them.
    """

    words: Tensor
    mask: Tensor
    pooled: Tensor
    characters: Tensor | None = None
    fused: Tensor | None = None


class Batch:
    """A batch of posts as tensors; made by :class:`mner.preprocessor.Preprocessor`.

    A word vector is the mean of the subword vectors whose ``word_slots`` entry names the word's slot
    ``post * W + word``; every other subword (specials, contexts, padding, the overlap of windows) has the slot
    ``B * W``, which is discarded.

    Deliberately not a dataclass: Lightning's precision plugins rebuild a dataclass field by field, posts included.

    Args:
        posts: The posts themselves, for predictions.
        input_ids: Subwords, shape ``(N, P)``.
        attention_mask: One where a subword is real, shape ``(N, P)``.
        token_type_ids: Zero in the post, one in its contexts, shape ``(N, P)``.
        word_slots: Slot of each subword, shape ``(N, P)``.
        word_starts: True where a subword begins a word, of the post or its contexts, shape ``(N, P)``.
        post_of_row: Which post an encoder row belongs to, shape ``(N,)``.
        first_row: The first encoder row of each post, shape ``(B,)``.
        word_mask: True where a word is real, shape ``(B, W)``.
        tags: Label index of each word, shape ``(B, W)``, zero where padded; ``None`` without annotation.
        characters: Character ids of each word, shape ``(B, W, C)``, zero where padded, or ``None``.
        pixels: The M images as returned by ``ImageTransform.collate``, or ``None``. A post without an image has a row.
        image: Precomputed features of the M images (from a feature store), or ``None``.
        image_mask: True where an image is readable, shape ``(M,)``, or ``None``; always on the CPU.
        image_paths: The path of each of the M images; ``None`` for the row of a post without one.
        image_errors: Why an image could not be used, one per image; ``None`` where there was no error.
        post_of_image: Which post an image belongs to, in ascending order, shape ``(M,)``, always on the CPU; ``None``
            if every post has exactly one row, so that M is B.
        text_only: The tensors from ``input_ids`` to ``word_mask`` of the posts without their contexts, by name, for
            :meth:`text_only_view`; ``None`` where nobody reads that view.
        gold_boxes: The gold entities with their boxes, for a model that grounds entities, or ``None``.
        faults: What a loader worker could not use, one message per kind, for the model to report.
    """

    def __init__(
        self,
        *,
        posts: Sequence[Post],
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor,
        word_slots: Tensor,
        word_starts: Tensor,
        post_of_row: Tensor,
        first_row: Tensor,
        word_mask: Tensor,
        tags: Tensor | None = None,
        characters: Tensor | None = None,
        pixels: Any = None,
        image: ImageFeatures | None = None,
        image_mask: Tensor | None = None,
        image_paths: Sequence[Path | None] = (),
        image_errors: Sequence[str | None] = (),
        post_of_image: Tensor | None = None,
        text_only: Mapping[str, Tensor] | None = None,
        gold_boxes: GoldBoxes | None = None,
        faults: Mapping[str, str] | None = None,
    ) -> None:
        self.posts = posts
        self.input_ids = input_ids
        self.attention_mask = attention_mask
        self.token_type_ids = token_type_ids
        self.word_slots = word_slots
        self.word_starts = word_starts
        self.post_of_row = post_of_row
        self.first_row = first_row
        self.word_mask = word_mask
        self.tags = tags
        self.characters = characters
        self.pixels = pixels
        self.image = image
        self.image_mask = image_mask
        self.image_paths = image_paths
        self.image_errors = image_errors
        self.post_of_image = post_of_image
        self.text_only = text_only
        self.gold_boxes = gold_boxes
        self.faults = faults or {}

    def __len__(self) -> int:
        """The number of posts, B."""
        return len(self.posts)

    def replace(self: BatchType, **parts: Any) -> BatchType:
        """Return a copy with some parts replaced."""
        return type(self)(**{**vars(self), **parts})

    def text_only_view(self: BatchType) -> BatchType:
        """Return the same posts without contexts and images.

        Raises:
            ConfigurationError: If the batch was made without that view.
        """
        if self.text_only is None:
            raise ConfigurationError(
                "expected a batch with a text-only view, got one without; make batches of tagged posts with the "
                "preprocessor of a model that has align_views: DataLoader(posts, collate_fn=model.preprocessor)"
            )
        return self.replace(**self.text_only, pixels=None, image=None, image_mask=None, post_of_image=None)

    @property
    def has_image(self) -> Tensor:
        """True for each post that has a readable image, shape ``(B,)``, on the CPU."""
        if self.image_mask is None:
            return torch.zeros(len(self), dtype=torch.bool)
        if self.post_of_image is None:
            return self.image_mask
        return torch.bincount(self.post_of_image[self.image_mask], minlength=len(self)) > 0

    @property
    def views_differ(self) -> Tensor:
        """True for each post that has a context or an image, shape ``(B,)``, on the CPU."""
        return torch.tensor([bool(post.contexts) for post in self.posts]) | self.has_image

    def to(self: BatchType, device: torch.device | str, non_blocking: bool | None = None) -> BatchType:
        """Copy the batch to another device, except ``image_mask`` and ``post_of_image``, which a GPU would wait for.

        Args:
            device: The device.
            non_blocking: Whether to copy from pinned memory while the device computes; by default, only to a GPU.
        """
        if non_blocking is None:  # Lightning passes it only for tensors
            non_blocking = torch.device(device).type == "cuda"
        other = self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))
        other.image_mask, other.post_of_image = self.image_mask, self.post_of_image
        return other

    def pin_memory(self: BatchType) -> BatchType:
        """Return a copy of the batch in pinned memory; called by ``DataLoader(pin_memory=True)``."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self: BatchType, function: Callable[[Tensor], Tensor]) -> BatchType:
        return type(self)(**{name: _map(value, function) for name, value in vars(self).items()})


def moved(value: Any, device: torch.device) -> Any:
    """Copy to a device what is not yet a batch, such as the pixels that ``ImageTransform.collate`` returned.

    Args:
        value: A tensor, a mapping of such values, or ``None``.
        device: The device.
    """
    return _map(value, lambda tensor: tensor.to(device, non_blocking=device.type == "cuda"))


def _map(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, (ImageFeatures, GoldBoxes)):
        return type(value)(**{name: _map(part, function) for name, part in vars(value).items()})
    if isinstance(value, Mapping):
        return {name: _map(part, function) for name, part in value.items()}
    return value

"""Images shuffled among the posts of a batch: mismatches for learning whether an image belongs to a post."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mner.batch import Batch, ImageFeatures, moved


@dataclass(frozen=True)
class ShuffledImages:
    """The images of B posts, each with that of another post.

    Args:
        image: The features; a post without an image still has none.
        mismatch: True for each post that has an image of other files than its own, shape ``(B,)``.
        names: A number for each post, equal for posts with the same image files, shape ``(B,)``.
    """

    image: ImageFeatures
    mismatch: Tensor
    names: Tensor


@torch.compiler.disable  # type: ignore[untyped-decorator]
def shuffle_images(batch: Batch, image: ImageFeatures, seed: int) -> ShuffledImages:
    """Give every post with an image that of another post.

    The order is drawn on the CPU, without waiting for a GPU, by a separate generator that is seeded by the training
    step: resumed training draws the same, and dropout is not affected.

    Args:
        batch: B posts. If fewer than two have an image, all keep theirs.
        image: Their image features.
        seed: The number of the training step.
    """
    numbers: dict[tuple[Any, ...], int] = {}
    files = [post.images or (index,) for index, post in enumerate(batch.posts)]
    names = torch.tensor([numbers.setdefault(each, len(numbers)) for each in files])
    rows = batch.has_image.nonzero().squeeze(1)
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
    sources = torch.arange(len(names)).index_copy(0, rows, rows.roll(1))
    differ = names != names[sources]
    sources, names, differ = (moved(part, image.mask.device) for part in (sources, names, differ))
    shuffled = image.select(sources)
    return ShuffledImages(shuffled, image.present & shuffled.present & differ, names)

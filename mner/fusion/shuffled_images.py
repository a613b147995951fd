"""Images shuffled among the posts of a batch: mismatches for learning whether an image belongs to a post."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mner.batch import Batch


@torch.compiler.disable  # type: ignore[untyped-decorator]
def shuffled_images(batch: Batch, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Give every post with an image that of another post.

    The order is drawn by a separate generator, seeded by the training step: resumed training draws the same, and
    dropout is not affected. Everything runs on the CPU, without waiting for a GPU.

    Args:
        batch: B posts.
        seed: The number of the training step.

    Returns:
        The posts with images, in random order; for each of them another one, whose image it gets (both are empty if
        there are fewer than two); and for every post a number, equal for posts with the same image file: an image is
        that of another file where ``names[rows] != names[others]``.
    """
    numbers: dict[Any, int] = {}
    images = [(index,) if post.image is None else post.image for index, post in enumerate(batch.posts)]
    names = torch.tensor([numbers.setdefault(image, len(numbers)) for image in images])
    rows = torch.zeros(0, dtype=torch.long) if batch.image_mask is None else batch.image_mask.nonzero().squeeze(1)
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
    rows = rows[: len(rows) if len(rows) > 1 else 0]
    return rows, rows.roll(1), names

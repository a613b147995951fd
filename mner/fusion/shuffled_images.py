"""Images shuffled among the posts of a batch: mismatches for learning whether an image belongs to a post."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mner.batch import Batch, moved


@torch.compiler.disable  # type: ignore[untyped-decorator]
def shuffled_images(batch: Batch, seed: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Give every post with an image that of another post.

    The order is drawn by a separate generator, seeded by the training step: resumed training draws the same, and
    dropout is not affected. Everything is computed on the CPU, without waiting for a GPU.

    Args:
        batch: B posts.
        seed: The number of the training step.
        device: Where the result is needed.

    Returns:
        The posts with images, in random order; for each of them another one, whose image it gets (both are empty if
        there are fewer than two); and for every post a number, equal for posts with the same image files: images are
        of other files where ``names[rows] != names[others]``.
    """
    numbers: dict[tuple[Any, ...], int] = {}
    images = [post.images or (index,) for index, post in enumerate(batch.posts)]
    names = torch.tensor([numbers.setdefault(image, len(numbers)) for image in images])
    rows = batch.has_image.nonzero().squeeze(1)
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
    rows = rows[: len(rows) if len(rows) > 1 else 0]
    return moved(rows, device), moved(rows.roll(1), device), moved(names, device)

"""A data loader over posts that resumes within an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader, Dataset

from mner.data.length_buckets import LengthBuckets
from mner.posts import Post


class PostLists(Dataset[list[Post]]):
    """Posts, taken a batch at a time by a list of indices."""

    def __init__(self, posts: Sequence[Post]) -> None:
        self.posts = list(posts)

    def __len__(self) -> int:
        """The number of posts."""
        return len(self.posts)

    def __getitem__(self, indices: list[int] | int) -> list[Post]:
        """The posts at the given places."""
        return [self.posts[index] for index in ([indices] if isinstance(indices, int) else indices)]


class PostLoader(DataLoader[list[Post]]):
    """A ``DataLoader`` with the state that Lightning asks a resumable loader for.

    Its own random generator keeps the global one, which dropout draws from, as it was: what follows an interruption
    is bit for bit what would have come without.
    """

    trainer: Trainer | None = None
    buckets: LengthBuckets

    def state_dict(self) -> dict[str, int]:
        """Where training stands: the epoch, and how many of its batches are done."""
        if self.trainer is None:
            return {"epoch": self.buckets.epoch, "batches": 0}
        progress = self.trainer.fit_loop.epoch_loop.batch_progress.current
        return {"epoch": self.trainer.current_epoch, "batches": progress.processed}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where :meth:`state_dict` stood."""
        self.buckets.set_epoch(state["epoch"])
        self.buckets.skip(state["epoch"], state["batches"])


def post_loader(
    posts: Sequence[Post], buckets: LengthBuckets, collate: Callable[..., Any], workers: int = 0, pin: bool = False
) -> PostLoader:
    """Put posts, their order and a model's collator together.

    Args:
        posts: The posts that ``buckets`` indexes.
        buckets: The batches.
        collate: ``model.collator``.
        workers: Processes that collate; 0 does it in this one.
        pin: Copy batches to pinned memory, for a GPU.
    """
    loader = PostLoader(
        PostLists(posts),
        batch_size=None,
        sampler=buckets,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=pin,
        generator=torch.Generator(),
    )
    loader.buckets = buckets
    return loader

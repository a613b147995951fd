"""A data loader over posts that resumes within an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader, Dataset

from mner.data.length_grouped_batches import LengthGroupedBatchSampler
from mner.posts import Post


class PostDataset(Dataset[list[Post]]):
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
    """A ``DataLoader`` that goes on where an interrupted training stood.

    It starts when the first batch is asked for, not with ``iter()``: Lightning calls that before it restores the
    training's progress, which tells the place in the data. Its own random generator keeps the global one, which
    dropout draws from, as it was: what follows an interruption is bit for bit what would have come without.
    """

    trainer: Trainer | None = None

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The batches; of a training those that its trainer has not done in the present epoch."""
        buckets = self.sampler
        if self.trainer is not None and isinstance(buckets, LengthGroupedBatchSampler) and buckets.shuffle:
            training = self.trainer.fit_loop
            epoch = training.epoch_progress.current.processed  # type: ignore[attr-defined]
            buckets.set_epoch(epoch)
            buckets.skip(epoch, training.epoch_loop.batch_progress.current.ready)
        yield from super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        """Nothing, for the trainer's progress tells all; Lightning warns of a loader that has no state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing; see :meth:`state_dict`."""


def post_loader(
    posts: Sequence[Post],
    buckets: LengthGroupedBatchSampler,
    collate: Callable[..., Any],
    num_workers: int = 0,
    pin: bool = False,
) -> PostLoader:
    """Put posts, their order and a model's collator together.

    Args:
        posts: The posts that ``buckets`` indexes.
        buckets: The batches.
        collate: ``model.collator``.
        num_workers: Processes that collate; 0 does it in this one.
        pin: Copy batches to pinned memory, for a GPU.
    """
    return PostLoader(
        PostDataset(posts),
        batch_size=None,
        sampler=buckets,
        collate_fn=collate,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=pin,
        generator=torch.Generator(),
    )

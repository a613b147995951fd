"""A data loader over posts that resumes within an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader, Dataset

from mner.data.length_grouped_batches import LengthGroupedBatchSampler
from mner.errors import ConfigurationError
from mner.posts import Post


class PostDataset(Dataset[list[Post]]):
    """Posts, fetched a batch at a time by a list of indices."""

    def __init__(self, posts: Sequence[Post]) -> None:
        self.posts = list(posts)

    def __len__(self) -> int:
        """The number of posts."""
        return len(self.posts)

    def __getitem__(self, indices: list[int]) -> list[Post]:
        """The posts at the given places."""
        return [self.posts[index] for index in indices]


class PostLoader(DataLoader[list[Post]]):
    """A ``DataLoader`` in length-grouped batches that resumes within an epoch.

    It starts when the first batch is asked for, not with ``iter()``: Lightning calls that before it restores the
    progress of the training, which determines the place in the data. Its own random generator leaves the global one,
    which dropout draws from, untouched: what follows an interruption is bit for bit what would have come without.
    """

    trainer: Trainer | None = None

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The batches; in training those that the trainer has not done in the current epoch.

        Raises:
            ConfigurationError: If the trainer wrapped the sampler, which shares the batches among processes already.
        """
        sampler = self.sampler
        if not isinstance(sampler, LengthGroupedBatchSampler):
            raise ConfigurationError(
                "the trainer put a sampler of its own in the place of length-grouped batches, and every process would "
                "see a part of its part; build it with Trainer(use_distributed_sampler=False)"
            )
        if self.trainer is not None and sampler.shuffle:
            training = self.trainer.fit_loop
            epoch = training.epoch_progress.current.processed  # type: ignore[attr-defined]
            sampler.set_epoch(epoch)
            sampler.skip(epoch, training.epoch_loop.batch_progress.current.ready)
        yield from super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        """Empty: the trainer's progress determines the place; Lightning warns of a loader without state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Does nothing; see :meth:`state_dict`."""


def post_loader(
    posts: Sequence[Post],
    sampler: LengthGroupedBatchSampler,
    preprocessor: Callable[..., Any],
    num_workers: int = 0,
    pin_memory: bool = False,
) -> PostLoader:
    """Build a loader of length-grouped batches.

    Args:
        posts: The posts that ``sampler`` indexes.
        sampler: The batches.
        preprocessor: ``model.preprocessor``.
        num_workers: Processes that make batches; 0 makes them in this one.
        pin_memory: Copy batches to pinned memory, for a GPU.
    """
    return PostLoader(
        PostDataset(posts),
        batch_size=None,
        sampler=sampler,
        collate_fn=preprocessor,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=pin_memory,
        generator=torch.Generator(),
    )

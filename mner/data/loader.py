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
    """Posts, fetched one batch at a time by a list of indices."""

    def __init__(self, posts: Sequence[Post]) -> None:
        self.posts = posts

    def __len__(self) -> int:
        """Return the number of posts."""
        return len(self.posts)

    def __getitem__(self, indices: list[int]) -> list[Post]:
        """Return the posts at the given indices."""
        return [self.posts[index] for index in indices]


class PostLoader(DataLoader[list[Post]]):
    """A ``DataLoader`` with length-grouped batches that resumes within an epoch.

    It starts when the first batch is requested, not with ``iter()``: Lightning calls that before it restores the
    progress of training, which determines the position in the data. It has a separate random generator and does not
    touch the global one, which dropout uses: resumed training is bit for bit the same as uninterrupted training.
    """

    trainer: Trainer | None = None

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches; in training those that the trainer has not finished in the current epoch.

        Raises:
            ConfigurationError: If the trainer wrapped the sampler, which already distributes batches over processes.
        """
        sampler = self.sampler
        if not isinstance(sampler, LengthGroupedBatchSampler):
            raise ConfigurationError(
                "the trainer replaced the sampler of length-grouped batches, so that every process would "
                "see only a part of its batches; build it with Trainer(use_distributed_sampler=False)"
            )
        if self.trainer is not None and sampler.shuffle:
            training = self.trainer.fit_loop
            epoch = training.epoch_progress.current.processed  # type: ignore[attr-defined]
            sampler.set_epoch(epoch)
            sampler.skip(epoch, training.epoch_loop.batch_progress.current.ready)
        yield from super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state, as the trainer's progress determines the position; Lightning warns without it."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing; see :meth:`state_dict`."""


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
        num_workers: Number of processes that make batches; 0 makes them in this one.
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

"""Batches of posts of similar length, the same in every process and after every interruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

POOL = 50  # batches that are sorted together: enough for little padding, few enough to mix the posts in each epoch


class LengthGroupedBatchSampler(Sampler[list[int]]):
    """Yields lists of post indices; each list is one batch.

    In training the posts are shuffled, sorted by length within pools of 50 batches, split into batches, and the batches
    shuffled: a pure function of seed and epoch. With a token budget all posts are sorted (ties at random) and split so
    that no padded batch exceeds the budget. In evaluation all posts are sorted, longest first, so that memory runs out
    at once or not at all.

    Batches are distributed over processes in turn. In training batches are added so that each process has as many; in
    evaluation no post is seen twice, and batches are made small enough for each process to have one. The trainer must
    not replace the sampler: ``Trainer(use_distributed_sampler=False)``.

    Pass it as ``sampler`` to a ``DataLoader`` with ``batch_size=None`` over a data set that takes lists.

    Args:
        lengths: Length per post, in any unit.
        batch_size: Maximum number of posts per batch.
        max_tokens: Maximum number of subwords per batch, padding included, or ``None``; a longer post is one batch.
        shuffle: Training order, else evaluation order.
        seed: Seed of the order.
        num_replicas: Number of processes.
        rank: Index of this process.
        groups: Which of two groups each post is in; in training, no batch contains posts of both. By default one.
    """

    def __init__(
        self,
        lengths: Sequence[int] | npt.NDArray[np.int32],
        batch_size: int,
        max_tokens: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        num_replicas: int = 1,
        rank: int = 0,
        groups: Sequence[bool] | npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self.lengths = np.asarray(lengths)
        group_of = np.zeros(len(lengths)) if groups is None else np.asarray(groups)
        self._groups = [np.flatnonzero(group_of == group) for group in np.unique(group_of)]
        # In evaluation each process needs a batch: one without would not take part in collective operations.
        self.batch_size = batch_size if shuffle else min(batch_size, max(len(lengths) // num_replicas, 1))
        self.max_tokens = max_tokens
        self.shuffle = shuffle
        self.seed = seed
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self._skipped = (0, 0)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, on which the training order depends."""
        self.epoch = epoch

    def skip(self, epoch: int, batches: int) -> None:
        """Skip the first batches of one epoch, which were seen before an interruption."""
        self._skipped = (epoch, batches)

    def __len__(self) -> int:
        """Return the number of batches per epoch and process, skipped ones included; the same in every epoch."""
        if not self.shuffle:
            return len(range(self.rank, len(self._cuts(np.sort(self.lengths))), self.num_replicas))
        total = sum(len(self._cuts(np.sort(self.lengths[members]))) for members in self._groups)
        return -(-total // self.num_replicas)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of this process in the current epoch."""
        batches = self._batches()
        if self.shuffle and batches:
            short = -len(batches) % self.num_replicas
            batches += [batches[index % len(batches)] for index in range(short)]
        own = batches[self.rank :: self.num_replicas]
        epoch, seen = self._skipped
        yield from own[seen if epoch == self.epoch else 0 :]

    def _batches(self) -> list[list[int]]:
        if not self.shuffle:
            order = np.argsort(-self.lengths, kind="stable")
            return self._cut(order)
        generator = np.random.default_rng((self.seed, self.epoch))
        batches: list[list[int]] = []
        for members in self._groups:
            order = members[generator.permutation(len(members))]
            pool = len(order) if self.max_tokens else POOL * self.batch_size
            for start in range(0, len(order), max(pool, 1)):
                part = order[start : start + pool]
                batches += self._cut(part[np.argsort(self.lengths[part], kind="stable")])
        return [batches[index] for index in generator.permutation(len(batches))]

    def _cut(self, order: np.ndarray) -> list[list[int]]:
        return [part.tolist() for part in np.split(order, self._cuts(self.lengths[order])[1:])] if len(order) else []

    def _cuts(self, lengths: np.ndarray) -> list[int]:
        """Find where batches begin in a sequence of sorted lengths."""
        if self.max_tokens is None:
            return list(range(0, len(lengths), self.batch_size))
        cuts: list[int] = []
        start, longest = 0, 0
        for index, length in enumerate(lengths.tolist()):
            longest = max(longest, length)
            full = index - start == self.batch_size or (index - start + 1) * longest > self.max_tokens
            if index == 0 or (full and index > start):
                cuts.append(index)
                start, longest = index, length
        return cuts

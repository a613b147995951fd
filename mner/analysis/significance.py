r"""Significance of differences in F1: paired tests over posts, with several seeds, corrected for many comparisons.

Two sources of variance are separated. **Posts**: another sample of posts would give other scores. **Seeds**: so would
another training run of the same method.

* Approximate randomisation (Yeh 2000) tests whether *these trained models* differ on posts like these. Under the null
  hypothesis the outputs of the two systems are exchangeable post by post; all seeds of a post are exchanged together,
  since they are predictions for the same words.
* The bootstrap (Efron 1979) draws posts and, within each system, seeds, both with replacement: its interval covers both
  sources. With K seeds it sees only :math:`(K-1)/K` of the variance between them, and none of it with one.

A difference is significant if both agree: the corrected p-value is below the level, and the interval excludes zero.

``scipy.stats.permutation_test`` and ``bootstrap`` resample one axis of scalars. Here the statistic is a mean over seeds
of a ratio of sums over posts, and all comparisons over the same posts share their draws, as matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import NDArray

from mner.analysis.counts import Counts
from mner.analysis.spread import Spread
from mner.errors import ConfigurationError, DataError
from mner.extras import extra

Floats = NDArray[np.float64]
ROUNDS = 10_000
_CHUNK = 1_000


class Resampling:
    """Random draws shared by all comparisons over the same posts: paired, and drawn once.

    Args:
        posts: Number of posts, N.
        rounds: Number of draws, R.
        seed: Seed of the draws.

    Raises:
        ConfigurationError: If there are no posts or no rounds.
    """

    def __init__(self, posts: int, rounds: int = ROUNDS, seed: int = 0) -> None:
        if posts < 1 or rounds < 1:
            raise ConfigurationError(f"expected at least one post and one round, got {posts} and {rounds}")
        self.posts, self.rounds, self.seed = posts, rounds, seed
        draws, bits = np.random.default_rng((seed, 0)), np.random.default_rng((seed, 1))
        self._times = np.empty((rounds, posts), dtype=np.uint8)
        self._exchanged = np.empty((rounds, -(-posts // 8)), dtype=np.uint8)
        for start in range(0, rounds, _CHUNK):
            size = min(_CHUNK, rounds - start)
            drawn = draws.integers(posts, size=(size, posts)) + np.arange(size)[:, None] * posts
            times = np.bincount(drawn.ravel(), minlength=size * posts).reshape(size, posts)
            self._times[start : start + size] = np.minimum(times, 255)
            self._exchanged[start : start + size] = bits.integers(256, size=(size, -(-posts // 8)), dtype=np.uint8)

    def resampled(self, values: Floats) -> Floats:
        """Sum over posts drawn with replacement: values ``(N, C)`` to ``(R, C)``."""
        return self._sums(values, lambda start, end: self._times[start:end])

    def exchanged(self, values: Floats) -> Floats:
        """Sum over posts that are each chosen with probability 1/2: values ``(N, C)`` to ``(R, C)``."""
        return self._sums(
            values, lambda start, end: np.unpackbits(self._exchanged[start:end], axis=1, count=self.posts)
        )

    def seeds(self, count: int, stream: int) -> NDArray[np.int64]:
        """Draw seeds with replacement, shape ``(R, count)``; independent systems use different streams."""
        return np.random.default_rng((self.seed, 2, stream)).integers(count, size=(self.rounds, count))

    def _sums(self, values: Floats, weights: Callable[[int, int], NDArray[np.uint8]]) -> Floats:
        parts = []
        for start in range(0, self.rounds, _CHUNK):
            part = weights(start, min(start + _CHUNK, self.rounds))
            parts.append(part.astype(np.float32) @ values.astype(np.float32))  # counts, exact far below 2 ** 24
        return np.concatenate(parts).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Interval:
    """A score, mean over seeds, with its confidence interval over posts and seeds.

    Args:
        mean: Mean over seeds.
        deviation: Standard deviation over seeds, undefined (``None``) for one seed.
        low: Lower end of the interval.
        high: Upper end.
        seeds: Number of seeds.
    """

    mean: float
    deviation: float | None
    low: float
    high: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference in F1 of two systems.

    Args:
        difference: Mean over seeds of the first minus that of the second.
        low: Lower end of its confidence interval over posts and seeds.
        high: Upper end.
        p_value: Two-sided, by approximate randomisation over posts.
    """

    difference: float
    low: float
    high: float
    p_value: float

    def significant(self, corrected: float, level: float = 0.05) -> bool:
        """Whether the corrected p-value is below the level and the interval excludes zero."""
        return corrected < level and not self.low <= 0 <= self.high


def f1_interval(system: Sequence[Counts], draws: Resampling, level: float = 0.95, stream: int = 0) -> Interval:
    """Compute the F1 of a system with its percentile interval.

    Args:
        system: Counts of each seed, over the same N posts.
        draws: Draws over as many posts.
        level: Confidence level.
        stream: The stream of seed draws.
    """
    spread = Spread.of(counts.score().f1 for counts in system)
    low, high = _percentiles(_replicates(system, draws, stream), level)
    return Interval(spread.mean, spread.deviation, low, high, len(system))


def compare(
    first: Sequence[Counts],
    second: Sequence[Counts],
    draws: Resampling,
    level: float = 0.95,
    same_trainings: bool = False,
) -> Comparison:
    """Compare two systems on the same posts.

    Args:
        first: Counts of each seed of the first system.
        second: Counts of each seed of the second; there may be more or fewer.
        draws: Draws over as many posts.
        level: Confidence level of the interval.
        same_trainings: Whether both are the same weights, seed by seed, scored under two conditions, so that seeds are
            drawn in pairs.

    Raises:
        DataError: If the number of posts is not that of the draws; check the posts with
            :func:`mner.analysis.alignment.check_aligned`.
        ConfigurationError: If a system has no seeds, or the same trainings differ in number.
    """
    if not first or not second or (same_trainings and len(first) != len(second)):
        raise ConfigurationError(
            f"expected at least one seed per system{', as many on both sides' * same_trainings}, "
            f"got {len(first)} and {len(second)}"
        )
    difference = _mean_f1(first) - _mean_f1(second)
    replicates = _replicates(first, draws, 0) - _replicates(second, draws, 0 if same_trainings else 1)
    low, high = _percentiles(replicates, level)
    as_extreme = int((np.abs(_exchanged_differences(first, second, draws)) >= abs(difference) - 1e-12).sum())
    return Comparison(difference, low, high, (as_extreme + 1) / (draws.rounds + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values to control the family-wise error rate (Holm 1979), by statsmodels.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    return _corrected(p_values, "holm")


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Correct p-values to control the false discovery rate (Benjamini and Hochberg 1995), by statsmodels.

    Example:
        >>> benjamini_hochberg([0.01, 0.04, 0.03])
        [0.03, 0.04, 0.04]
    """
    return _corrected(p_values, "fdr_bh")


def _corrected(p_values: Sequence[float], method: str) -> list[float]:
    with extra("report", "a correction for several comparisons"):
        from statsmodels.stats.multitest import multipletests  # imports scipy, which takes a second

    if not len(p_values):
        return []
    return [round(value, 12) for value in multipletests(p_values, method=method)[1].tolist()]


def _exchanged_differences(first: Sequence[Counts], second: Sequence[Counts], draws: Resampling) -> Floats:
    """Compute the differences after permuting, post by post, the outputs of the two systems, shape ``(R,)``.

    Where the systems differ in the number of seeds, both are repeated to a common multiple: every seed occurs as often
    as the others of its system, so that no permutation gives the observed difference.
    """
    count = lcm(len(first), len(second))
    pairs = [(first[index % len(first)], second[index % len(second)]) for index in range(count)]
    ours = np.stack([_of_posts(one, draws) for one, _ in pairs], axis=1)
    theirs = np.stack([_of_posts(other, draws) for _, other in pairs], axis=1)
    moved = draws.exchanged((theirs - ours).reshape(draws.posts, -1)).reshape(draws.rounds, count, 3)
    differences: Floats = (_f1(ours.sum(axis=0) + moved) - _f1(theirs.sum(axis=0) - moved)).mean(axis=1)
    return differences


def _replicates(system: Sequence[Counts], draws: Resampling, stream: int) -> Floats:
    """Compute the mean F1 over seeds under each draw of posts and seeds, shape ``(R,)``."""
    values = np.concatenate([_of_posts(counts, draws) for counts in system], axis=1)  # one product for all seeds
    scores = _f1(draws.resampled(values).reshape(draws.rounds, len(system), 3))
    replicates: Floats = np.take_along_axis(scores, draws.seeds(len(system), stream), axis=1).mean(axis=1)
    return replicates


def _of_posts(counts: Counts, draws: Resampling) -> Floats:
    values = counts.of_posts().astype(np.float64)
    if len(values) != draws.posts:
        raise DataError(f"expected counts of {draws.posts} posts, got {len(values)}; compare systems on the same posts")
    return values


def _f1(sums: Floats) -> Floats:
    """Compute F1 from correct, predicted and gold entities in the last axis."""
    correct, predicted, gold = np.moveaxis(sums, -1, 0)
    scores: Floats = 2 * correct / np.maximum(predicted + gold, 1)
    return scores


def _mean_f1(system: Sequence[Counts]) -> float:
    return Spread.of(counts.score().f1 for counts in system).mean


def _percentiles(values: Floats, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

"""Random subsets of the training posts, for runs on a fraction of the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mner.posts import Post


def sampled(number: int, share: float, seed: int) -> npt.NDArray[np.int64]:
    """Sample a fraction of a number of posts; for one seed, a smaller sample is a subset of a larger one.

    Args:
        number: The number of posts.
        share: The fraction to keep, above 0 and up to 1; at least one post is kept.
        seed: Seed of the sampling.

    Returns:
        Their indices, in ascending order.
    """
    order = np.random.default_rng(seed).permutation(number)
    return np.sort(order[: max(1, round(share * number))])


def fraction(posts: Sequence[Post], share: float, seed: int) -> list[Post]:
    """Return the posts that :func:`sampled` chooses, in their order."""
    return [posts[index] for index in sampled(len(posts), share, seed)]

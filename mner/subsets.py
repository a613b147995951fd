"""Random subsets of the training posts, for runs on a fraction of the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mner.posts import Post


def fraction(posts: Sequence[Post], share: float, seed: int) -> list[Post]:
    """Sample a fraction of the posts, in their order; for one seed, a smaller sample is a subset of a larger one.

    At least one post is kept.

    Args:
        posts: The posts.
        share: The fraction to keep, above 0 and up to 1.
        seed: Seed of the sampling.
    """
    if share == 1:
        return list(posts)
    order = np.random.default_rng(seed).permutation(len(posts))
    return [posts[index] for index in sorted(order[: max(1, round(share * len(posts)))])]

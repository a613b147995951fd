"""The training posts that a run with a fraction of them uses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mner.posts import Post


def fraction(posts: Sequence[Post], share: float, seed: int) -> list[Post]:
    """Choose a share of the posts, in their order; for one seed, a smaller share is part of a larger one.

    At least one post is kept.

    Args:
        posts: The posts.
        share: Above 0 and up to 1.
        seed: Of the choice.
    """
    if share == 1:
        return list(posts)
    order = np.random.default_rng(seed).permutation(len(posts))
    return [posts[index] for index in sorted(order[: max(1, round(share * len(posts)))])]

"""Splitting posts into training, validation and test sets that share no post and no image."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence

from mner.data.overlap import same_posts
from mner.data.splits import SPLITS, Split
from mner.errors import ConfigurationError, DataError
from mner.posts import Post


def split_posts(
    posts: Sequence[Post], shares: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0
) -> dict[Split, list[Post]]:
    """Split posts at random; near-identical posts, and posts with the same image, are in the same split.

    Groups of such posts are drawn in an order that depends on the seed only, the largest first, each for the split that
    is furthest from its share.

    Args:
        posts: The posts.
        shares: Fractions of the posts for training, validation and test; their sum is 1. A split with 0 is left out.
        seed: Of the order.

    Returns:
        The posts of each split, in the order of ``posts``.

    Raises:
        ConfigurationError: If the shares are not three fractions with the sum 1.
        DataError: If there are too few groups for every split to have one.

    Example:
        >>> posts = [Post(str(number), (word, "is", "here")) for number, word in enumerate("abcdefghij")]
        >>> {split: len(part) for split, part in split_posts(posts, (0.6, 0.2, 0.2)).items()}
        {'train': 6, 'valid': 2, 'test': 2}
    """
    if len(shares) != len(SPLITS) or not all(0 <= share <= 1 for share in shares) or not math.isclose(sum(shares), 1):
        raise ConfigurationError(f"expected three shares with the sum 1, such as 0.8 0.1 0.1, got {list(shares)}")
    targets = {split: share * len(posts) for split, share in zip(SPLITS, shares, strict=True) if share}
    groups = group_posts(posts)
    if len(groups) < len(targets):
        raise DataError(
            f"{len(posts)} posts, of which {len(groups)} differ in text and image, cannot be split into "
            f"{len(targets)} sets that share none; give more posts"
        )
    random.Random(seed).shuffle(groups)
    groups.sort(key=len, reverse=True)
    places: dict[Split, list[int]] = {split: [] for split in targets}
    for number, group in enumerate(groups):
        empty = [split for split in targets if not places[split]]
        # The last groups are for splits without one, however small their share is.
        open_splits = empty if len(groups) - number <= len(empty) else list(targets)
        furthest = max(open_splits, key=lambda split: 1 - (len(places[split]) + len(group)) / targets[split])
        places[furthest] += group
    return {split: [posts[place] for place in sorted(found)] for split, found in places.items()}


def group_posts(posts: Sequence[Post]) -> list[list[int]]:
    """Group posts that must not be in different splits.

    Args:
        posts: The posts.

    Returns:
        The places of the posts of each group, in ascending order: near-identical posts (see
        :func:`mner.data.overlap.find_overlap`), posts of the same words, and posts that share an image.
    """
    parents = list(range(len(posts)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    same: dict[object, int] = {}
    for place, post in enumerate(posts):
        for key in (post.words, *post.images):
            if key:
                parents[root(place)] = root(same.setdefault(key, place))
    for place, other in same_posts(posts):
        parents[root(place)] = root(other)
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(posts)):
        groups[root(place)].append(place)
    return list(groups.values())

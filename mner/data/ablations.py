"""Ablations: the posts that are scored, with their images or captions taken away or exchanged.

A model that looks at images (or reads captions) loses by them; what it does not lose was never due to the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from mner.posts import Post

Ablation = Literal["blank_images", "shuffled_images", "blank_captions", "shuffled_captions"]


def ablate(posts: Sequence[Post], ablation: Ablation, seed: int = 0) -> list[Post]:
    """Take the images or captions of posts away, or give each post those of another.

    * ``blank_images``: no post has an image.
    * ``shuffled_images``: every post that has an image has that of another post.
    * ``blank_captions``: no post has a caption, nor any other context.
    * ``shuffled_captions``: every post that has contexts has those of another post.

    Args:
        posts: The posts.
        ablation: Which ablation.
        seed: Of the exchange, a random cycle through all posts concerned, so that none keeps its own.

    Returns:
        As many posts, in their order, with their own words and tags.

    Example:
        >>> posts = [Post(name, ("a",), contexts={"caption": name}) for name in ("1", "2")]
        >>> [post.contexts["caption"] for post in ablate(posts, "shuffled_captions")]
        ['2', '1']
    """
    return _ABLATIONS[ablation](posts, seed)


def _blank_images(posts: Sequence[Post], seed: int) -> list[Post]:
    return [replace(post, image=None) for post in posts]


def _blank_captions(posts: Sequence[Post], seed: int) -> list[Post]:
    return [replace(post, contexts={}) for post in posts]


def _shuffled_images(posts: Sequence[Post], seed: int) -> list[Post]:
    others = _cycle([index for index, post in enumerate(posts) if post.image is not None], seed)
    return [replace(post, image=posts[others.get(index, index)].image) for index, post in enumerate(posts)]


def _shuffled_captions(posts: Sequence[Post], seed: int) -> list[Post]:
    others = _cycle([index for index, post in enumerate(posts) if post.contexts], seed)
    return [replace(post, contexts=posts[others.get(index, index)].contexts) for index, post in enumerate(posts)]


def _cycle(indices: list[int], seed: int) -> dict[int, int]:
    order = np.random.default_rng(seed).permutation(indices).tolist()
    return dict(zip(order, [*order[1:], *order[:1]], strict=True))


_ABLATIONS: Mapping[Ablation, Callable[[Sequence[Post], int], list[Post]]] = {
    "blank_images": _blank_images,
    "shuffled_images": _shuffled_images,
    "blank_captions": _blank_captions,
    "shuffled_captions": _shuffled_captions,
}

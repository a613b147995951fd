"""Ablations of the scored posts: their images or captions are blanked or shuffled.

The drop in score of a model is the part of its score that is due to images (or captions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from mner.errors import DataError
from mner.posts import Post

Ablation = Literal["blank_images", "shuffled_images", "blank_captions", "shuffled_captions"]
IMAGE_ABLATIONS: tuple[Ablation, ...] = ("blank_images", "shuffled_images")


def ablate(posts: Sequence[Post], ablation: Ablation, seed: int = 0) -> list[Post]:
    """Blank the images or captions of posts, or shuffle them between posts.

    * ``blank_images``: no post has an image.
    * ``shuffled_images``: every post that has an image has that of another post.
    * ``blank_captions``: no post has a caption, nor any other context.
    * ``shuffled_captions``: every post that has contexts has those of another post.

    Args:
        posts: The posts.
        ablation: Which ablation.
        seed: Seed of the shuffling, a random cycle through all posts concerned, so that none keeps its own.

    Returns:
        As many posts, in their order, with their own words and tags.

    Raises:
        DataError: If no post has an image (or a caption): the unchanged score would suggest that images do not
            matter.

    Example:
        >>> posts = [Post(name, ("a",), contexts={"caption": name}) for name in ("1", "2")]
        >>> [post.contexts["caption"] for post in ablate(posts, "shuffled_captions")]
        ['2', '1']
    """
    concerned, of_what = _CONCERNED[ablation.partition("_")[2]]
    if posts and not any(map(concerned, posts)):
        raise DataError(
            f"{ablation} changes nothing: none of the {len(posts)} posts has {of_what}; leave the ablation out, or "
            f"give the data set with its {ablation.partition('_')[2]}"
        )
    return _ABLATIONS[ablation](posts, seed)


def _blank_images(posts: Sequence[Post], seed: int) -> list[Post]:
    return [post.with_images(()) for post in posts]


def _blank_captions(posts: Sequence[Post], seed: int) -> list[Post]:
    return [replace(post, contexts={}) for post in posts]


def _shuffled_images(posts: Sequence[Post], seed: int) -> list[Post]:
    others = _cycle([index for index, post in enumerate(posts) if _has_image(post)], seed)
    return [post.with_images(posts[others.get(index, index)].images) for index, post in enumerate(posts)]


def _shuffled_captions(posts: Sequence[Post], seed: int) -> list[Post]:
    others = _cycle([index for index, post in enumerate(posts) if _has_context(post)], seed)
    return [replace(post, contexts=posts[others.get(index, index)].contexts) for index, post in enumerate(posts)]


def _has_image(post: Post) -> bool:
    return post.image is not None


def _has_context(post: Post) -> bool:
    return bool(post.contexts)


def _cycle(indices: list[int], seed: int) -> dict[int, int]:
    order = np.random.default_rng(seed).permutation(indices).tolist()
    return dict(zip(order, [*order[1:], *order[:1]], strict=True))


_CONCERNED = {"images": (_has_image, "an image"), "captions": (_has_context, "a caption")}
_ABLATIONS: Mapping[Ablation, Callable[[Sequence[Post], int], list[Post]]] = {
    "blank_images": _blank_images,
    "shuffled_images": _shuffled_images,
    "blank_captions": _blank_captions,
    "shuffled_captions": _shuffled_captions,
}

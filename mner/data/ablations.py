"""Ablations of the scored posts: their images or captions are blanked or shuffled.

The drop in score of a model is the part of its score that is due to images (or captions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from mner.errors import ConfigurationError, DataError
from mner.posts import Post
from mner.vision.transform import ImageTransform

Ablation = Literal["blank_images", "shuffled_images", "blank_captions", "shuffled_captions"]
IMAGE_ABLATIONS: tuple[Ablation, ...] = ("blank_images", "shuffled_images")
_ONE_OF = {"images": "an image", "captions": "a caption"}


def ablate(posts: Sequence[Post], ablation: Ablation, seed: int = 0, kinds: Sequence[str] | None = None) -> list[Post]:
    """Blank the images or captions of posts, or shuffle them between posts.

    * ``blank_images``: no post has an image.
    * ``shuffled_images``: every post that has an image has that of another post.
    * ``blank_captions``: no post has a caption, nor any other context.
    * ``shuffled_captions``: every post that has contexts has those of another post.

    Args:
        posts: The posts.
        ablation: Which ablation.
        seed: Seed of the shuffling, a random cycle through all posts concerned, so that none keeps its own.
        kinds: The kinds of context that the model reads: others do not count. By default every kind does.

    Returns:
        As many posts, in their order, with their own words and tags.

    Raises:
        DataError: If no post has an image (or a context that is read), or none to exchange with another: the unchanged
            score would suggest that images do not matter.

    Example:
        >>> posts = [Post(name, ("a",), contexts={"caption": name}) for name in ("1", "2")]
        >>> [post.contexts["caption"] for post in ablate(posts, "shuffled_captions")]
        ['2', '1']
    """
    how, what = ablation.split("_")
    of = [post.images if what == "images" else _read(post, kinds) for post in posts]
    concerned = [index for index, own in enumerate(of) if own]
    if posts and len({tuple(of[index]) for index in concerned}) < (2 if how == "shuffled" else 1):
        needed = _ONE_OF[what]
        if what == "captions" and kinds is not None:
            needed = f"a context that the model reads ({', '.join(kinds) or 'none'})"
        found = f"none of the {len(posts)} posts has {needed}"
        if concerned:
            found = f"{len(concerned)} of the {len(posts)} posts have {needed}, and no two different ones"
        raise DataError(
            f"{ablation} changes nothing: {found}; leave the ablation out, or give the data set with its {what}"
        )
    sources = _cycle(concerned, seed) if how == "shuffled" else {}
    ablated = list(posts)
    for index in concerned:
        source = posts[sources[index]] if sources else None
        ablated[index] = (
            posts[index].with_images(() if source is None else source.images)
            if what == "images"
            else replace(posts[index], contexts={} if source is None else source.contexts)
        )
    return ablated


def check_ablations(ablations: Sequence[Ablation], transform: ImageTransform | None) -> None:
    """Refuse to blank or shuffle images whose features are not found by the image.

    Args:
        ablations: The ablations.
        transform: The image transform of the model, if it reads images.

    Raises:
        ConfigurationError: If they would change nothing.
    """
    concerned = [ablation for ablation in ablations if ablation in IMAGE_ABLATIONS]
    if concerned and transform is not None and not transform.per_image:
        raise ConfigurationError(
            f"{concerned[0]} changes nothing: the regions are found by the id of a post, not by its image; leave the "
            "ablation out, or give a file of regions by image (key: image)"
        )


def _read(post: Post, kinds: Sequence[str] | None) -> list[str]:
    return [text for kind, text in post.contexts.items() if text.strip() and (kinds is None or kind in kinds)]


def _cycle(indices: list[int], seed: int) -> dict[int, int]:
    order = np.random.default_rng(seed).permutation(indices).tolist()
    return dict(zip(order, [*order[1:], *order[:1]], strict=True))

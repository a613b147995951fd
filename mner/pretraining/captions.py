"""Batches for sentence-image prediction: half of the captions are replaced by another image's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mner.batch import Batch
from mner.errors import ConfigurationError
from mner.posts import Post
from mner.preprocessor import Preprocessor

UNKNOWN, ANOTHERS, OWN = -1, 0, 1
"""Origin of a post's caption; ``UNKNOWN`` if it has none."""


class CaptionedBatch(Batch):
    """A batch in which some captions are shuffled.

    Args:
        caption_of: :data:`OWN`, :data:`ANOTHERS` or :data:`UNKNOWN`, shape ``(B,)``.
        parts: Arguments of :class:`mner.batch.Batch`.
    """

    def __init__(self, *, caption_of: Tensor, **parts: Any) -> None:
        super().__init__(**parts)
        self.caption_of = caption_of


class CaptionPreprocessor(Preprocessor):
    """Makes batches in which half of the captions are replaced by another image's.

    Args:
        kind: The kind of context that is the caption.
        options: Arguments of :class:`mner.preprocessor.Preprocessor`.
    """

    def __init__(self, kind: str, **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind

    def check(self, posts: Sequence[Post], split: str) -> None:
        """Reject posts without captions or images, on which the objective is undefined.

        Raises:
            ConfigurationError: If there are none; explains how to provide them.
        """
        if self.kind not in self.contexts:
            raise ConfigurationError(
                f"sentence-image prediction needs a {self.kind} with each post, got the contexts "
                f"{list(self.contexts)}; set --data.init_args.contexts [{self.kind}], or sentence_image: false"
            )
        if all(post.image is None for post in posts):
            raise ConfigurationError(
                f"sentence-image prediction needs images, and none of the {split} posts has one; give the data "
                "set with its images (of DemoPosts by --data.init_args.root), or set sentence_image: false"
            )

    def __call__(self, posts: Sequence[Post]) -> CaptionedBatch:
        """Collate posts into a batch.

        Args:
            posts: B posts.
        """
        shuffled, caption_of = shuffle_captions([self.prepare(post) for post in posts], self.kind)
        return CaptionedBatch(**vars(super().__call__(shuffled)), caption_of=torch.tensor(caption_of))


def shuffle_captions(posts: Sequence[Post], kind: str) -> tuple[list[Post], list[int]]:
    """Give every second post with a caption the caption of the next one, cyclically.

    This depends only on the order of the posts, which differs between the epochs of a training run but is the same in
    every validation and when training is resumed.

    Args:
        posts: The posts.
        kind: The kind of context that is the caption.

    Returns:
        The posts, and the origin of each one's caption: :data:`OWN` also where the next caption is the same text.

    Example:
        >>> posts = [Post(name, ("a",), contexts={"caption": f"image {name}"}) for name in "123"]
        >>> shuffled, caption_of = shuffle_captions(posts, "caption")
        >>> [post.contexts["caption"] for post in shuffled], caption_of
        (['image 1', 'image 3', 'image 3'], [1, 0, 1])
    """
    shuffled, caption_of = list(posts), [UNKNOWN] * len(posts)
    places = [place for place, post in enumerate(posts) if post.contexts.get(kind, "").strip()]
    for index, place in enumerate(places):
        own = posts[place].contexts[kind]
        text = posts[places[(index + 1) % len(places)]].contexts[kind] if index % 2 else own
        shuffled[place] = replace(posts[place], contexts={**posts[place].contexts, kind: text})
        caption_of[place] = OWN if text == own else ANOTHERS
    return shuffled, caption_of

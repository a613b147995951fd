"""Posts to a batch: the one place where words become tensors; every model owns one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mner.batch import Batch, ImageFeatures
from mner.errors import LabelError
from mner.labels import check_tags
from mner.posts import Post
from mner.text.characters import CharacterCNN, character_ids
from mner.text.subwords import SubwordTokenizer

Images = Callable[[Sequence[Post]], tuple[Any, ImageFeatures | None, Tensor]]


class Collator:
    """Turns posts into a :class:`mner.batch.Batch`; picklable, so that data workers can run it.

    Args:
        subword_tokenizer: The text encoder's tokenizer.
        labels: The label list, in the order of the model's emissions; without any, tags are left aside.
        characters: The character encoder whose table is used, if there is one.
        images: Loads or looks up the images of posts, if the model sees any.
    """

    def __init__(
        self,
        subword_tokenizer: SubwordTokenizer,
        labels: Sequence[str] = (),
        characters: CharacterCNN | None = None,
        images: Images | None = None,
    ) -> None:
        self.subword_tokenizer = subword_tokenizer
        self.labels = list(labels)
        self.images = images
        self._index = {label: index for index, label in enumerate(self.labels)}
        self._max_characters = None if characters is None else characters.max_characters

    def lengths(self, posts: Sequence[Post]) -> list[int]:
        """The number of subwords of each post, as length buckets need it."""
        return self.subword_tokenizer.lengths(posts)

    def __call__(self, posts: Sequence[Post]) -> Batch:
        """Make a batch.

        Args:
            posts: B posts. The batch has tags if every post has.

        Raises:
            LabelError: If a tag is not among the labels; names the post and the tag.
        """
        texts = self.subword_tokenizer(posts)
        pixels, image, image_mask = (None, None, None) if self.images is None else self.images(posts)
        return Batch(
            posts=list(posts),
            **texts,
            tags=self._tags(posts, texts["word_mask"]),
            characters=None if self._max_characters is None else character_ids(posts, self._max_characters),
            pixels=pixels,
            image=image,
            image_mask=image_mask,
        )

    def _tags(self, posts: Sequence[Post], word_mask: Tensor) -> Tensor | None:
        annotated = [post.tags for post in posts if post.tags is not None]
        if not self.labels or len(annotated) < len(posts):
            return None
        try:
            flat = np.fromiter(map(self._index.__getitem__, chain.from_iterable(annotated)), dtype=np.int64)
        except KeyError:
            post = next(post for post in posts if not self._index.keys() >= set(post.tags or ()))
            raise LabelError(f"post {post.id!r}: {_complaint(post, self.labels)}") from None
        tags = torch.zeros(word_mask.shape, dtype=torch.long)
        tags[word_mask] = torch.from_numpy(flat)
        return tags


def _complaint(post: Post, labels: Sequence[str]) -> str:
    try:
        check_tags(post.tags or (), labels)
    except LabelError as error:
        return str(error)
    return ""

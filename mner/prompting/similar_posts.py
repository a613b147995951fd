"""Solved examples: the training posts that are most similar to a post, by vectors of text, image or both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mner.batch import moved
from mner.errors import ConfigurationError, ImageError
from mner.extras import extra
from mner.images import ImageLoader
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.text import TextEncoder
from mner.vision import ImageEncoder
from mner.vision.transform import ImageTransform

MAX_PRODUCT = 100_000
"""Training posts up to which vectors are compared by matrix products; beyond, by an index of faiss."""
Vectors = NDArray[np.float32]


class SimilarPosts:
    """Finds the most similar training posts, as PGIM chooses its examples (Li et al. 2023, section 3.1).

    The similarity of two posts is the cosine of the mean of their word vectors, that of their pooled image vectors, or
    the mean of the two; a missing image is similar to nothing. A post is never its own example: training posts with the
    same words are left out.

    Args:
        train: Training posts, with solutions.
        text_encoder: Encodes the words; ``None`` to compare images only.
        image_encoder: Encodes the images; ``None`` to compare texts only.
        load: Opens images; a bad one counts as missing.
        batch_size: Posts per batch.
        device: Where the encoders run.

    Raises:
        ConfigurationError: If there is neither encoder, or no training post.
    """

    def __init__(
        self,
        train: Sequence[Post],
        text_encoder: TextEncoder | None = None,
        image_encoder: ImageEncoder | None = None,
        load: ImageLoader | None = None,
        batch_size: int = 64,
        device: torch.device | None = None,
    ) -> None:
        if text_encoder is None and image_encoder is None:
            raise ConfigurationError("similar posts need vectors: give a text encoder, an image encoder, or both")
        if not train:
            raise ConfigurationError("there is no training post to take examples from")
        self._text_encoder = None if text_encoder is None else text_encoder.eval().to(device)
        self._image_encoder = None if image_encoder is None else image_encoder.eval().to(device)
        self._load = load or ImageLoader()
        self._batch_size = batch_size
        self._device = device or torch.device("cpu")
        self.train = list(train)
        self._vectors = self.encode(self.train)
        self._same: dict[tuple[str, ...], set[int]] = {}
        for place, post in enumerate(self.train):
            self._same.setdefault(_words(post), set()).add(place)

    def find(self, posts: Sequence[Post], number: int) -> list[list[Post]]:
        """Find examples for each post.

        Args:
            posts: The posts.
            number: Maximum number of examples per post.

        Returns:
            The training posts, the most similar one last, so that it is next to the question.
        """
        if number < 1 or not posts:
            return [[] for _ in posts]
        same = [self._same.get(_words(post), set()) for post in posts]
        count = min(len(self.train), number + max(map(len, same)))
        found = []
        for places, own in zip(nearest(self._vectors, self.encode(posts), count), same, strict=True):
            chosen = [int(place) for place in places if int(place) not in own][:number]
            found.append([self.train[place] for place in reversed(chosen)])
        return found

    @torch.inference_mode()
    def encode(self, posts: Sequence[Post]) -> Vectors:
        """Encode posts: unit vectors of text and image, side by side, shape ``(B, D + V)``."""
        batches = (posts[start : start + self._batch_size] for start in range(0, len(posts), self._batch_size))
        return np.concatenate([self._encode(batch) for batch in batches])

    def _encode(self, posts: Sequence[Post]) -> Vectors:
        parts = []
        if self._text_encoder is not None:
            preprocessor = Preprocessor(self._text_encoder.subword_tokenizer).using(quiet=True)
            batch = preprocessor([replace(post, contexts={}) for post in posts])
            text = self._text_encoder(batch.to(self._device))
            parts.append(text.words.sum(1) / text.mask.sum(1, keepdim=True).clamp(min=1))
        if self._image_encoder is not None:
            images = [self._image(self._image_encoder.image_transform, post) for post in posts]
            mask = torch.tensor([image is not None for image in images])
            pixels = moved(self._image_encoder.image_transform.collate(images), self._device)
            parts.append(self._image_encoder(pixels, mask).pooled)
        units = [torch.nn.functional.normalize(part.float(), dim=1) for part in parts]
        vectors: Vectors = torch.cat(units, dim=1).cpu().numpy()
        return vectors

    def _image(self, transform: ImageTransform, post: Post) -> Any:
        try:
            return transform.load(post, self._load)
        except ImageError:
            return None


def nearest(vectors: Vectors, queries: Vectors, count: int) -> NDArray[np.int64]:
    """Find the vectors with the largest inner products, largest first.

    Args:
        vectors: Shape ``(N, D)``.
        queries: Shape ``(B, D)``.
        count: How many per query, up to N.

    Returns:
        Their indices, shape ``(B, count)``.

    Raises:
        ConfigurationError: If there are more than :data:`MAX_PRODUCT` vectors and faiss is not installed.
    """
    if len(vectors) > MAX_PRODUCT:
        with extra("llm", f"finding similar posts among {len(vectors):,}"):
            import faiss
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        found: NDArray[np.int64] = index.search(queries, count)[1]
        return found
    rows = []
    for start in range(0, len(queries), 256):
        products = queries[start : start + 256] @ vectors.T
        rows.append(np.argsort(-products, axis=1, kind="stable")[:, :count])
    return np.concatenate(rows)


def _words(post: Post) -> tuple[str, ...]:
    return tuple(word.casefold() for word in post.words)

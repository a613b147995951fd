"""The contract of a text encoder: a batch in, one vector per word out."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.components import Component
from mner.text.subwords import SubwordTokenizer
from mner.vision.encoder import ImageEncoder


class TextEncoder(Component, nn.Module, ABC):
    """Turns posts into word vectors.

    A subclass sets ``hidden_size`` (D) and ``subword_tokenizer``, its tokenizer, in its constructor.
    """

    hidden_size: int
    subword_tokenizer: SubwordTokenizer
    not_exported_because: str | None = None
    """Why ``mner export`` refuses it, as the end of a sentence; ``None`` to try."""

    @property
    def new_layers(self) -> list[nn.Module]:
        """Return the layers that are not pretrained, trained with the learning rate of new layers; usually none."""
        return []

    def own_image_encoder(self) -> ImageEncoder | None:
        """Build the image encoder that this encoder was pretrained with; ``None`` for most.

        A fusion that reads images calls it where it is given no image encoder.
        """
        return None

    @abstractmethod
    def forward(self, batch: Batch, image: ImageFeatures | None = None) -> TextFeatures:
        """Encode a batch.

        Args:
            batch: Posts as subwords.
            image: Regions that a one-stream encoder reads together with the words; others ignore it.

        Returns:
            Word vectors ``(B, W, D)`` and a pooled vector ``(B, D)``.
        """


def pool_words(pieces: Tensor, batch: Batch) -> Tensor:
    """Average the subword vectors of each word.

    Args:
        pieces: Subword vectors, shape ``(N, P, D)``.
        batch: Its ``word_slots`` assign subwords to words.

    Returns:
        Word vectors, shape ``(B, W, D)``; zeros where a word is padding.
    """
    posts, words = batch.word_mask.shape
    flat = pieces.reshape(-1, pieces.shape[-1])
    slots = batch.word_slots.reshape(-1)
    sums = flat.new_zeros(posts * words + 1, flat.shape[-1]).index_add(0, slots, flat)
    counts = flat.new_zeros(posts * words + 1).index_add(0, slots, torch.ones_like(slots, dtype=flat.dtype))
    return (sums[:-1] / counts[:-1, None].clamp(min=1)).view(posts, words, -1)

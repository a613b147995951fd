"""Dropout of whole words."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mner.argument_types import check_range


class WordDropout(nn.Module):
    """Sets the vectors of random words to zero in training, as Flair does; the others are not scaled up.

    Args:
        p: Probability that a word is dropped.

    Raises:
        ConfigurationError: If it is not in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        check_range("word_dropout", p, "[0, 1)")
        self.p = p

    def forward(self, words: Tensor) -> Tensor:
        """Drop words of shape ``(B, W, F)``."""
        if not self.training or not self.p:
            return words
        return words * (torch.rand_like(words[..., :1]) >= self.p)

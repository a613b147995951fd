"""Dropout of whole words."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mner.errors import ConfigurationError


class WordDropout(nn.Module):
    """Sets the vectors of random words to zero in training, as Flair does; the others are not scaled up.

    Args:
        p: Probability that a word is dropped.

    Raises:
        ConfigurationError: If it is not in [0, 1).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = checked_rate(p, "word_dropout")

    def forward(self, words: Tensor) -> Tensor:
        """Drop words of shape ``(B, W, F)``."""
        if not self.training or not self.p:
            return words
        return words * (torch.rand_like(words[..., :1]) >= self.p)


def checked_rate(rate: float, name: str) -> float:
    """Return the rate of a dropout.

    Raises:
        ConfigurationError: If it is not in [0, 1).
    """
    if not 0 <= rate < 1:
        raise ConfigurationError(f"expected {name} in [0, 1), got {name}={rate}")
    return rate

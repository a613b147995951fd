"""Character features of words, for encoders whose tokenizer cannot see case."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mner.argument_types import check_range
from mner.components import Component
from mner.errors import ConfigurationError
from mner.posts import Post

PLAIN_CODES = 256  # Latin-1 characters have their own row, all others share OTHER_CODES rows
OTHER_CODES = 256


class CharacterCNN(Component, nn.Module):
    """A convolution over the characters of each word, max-pooled (Ma and Hovy 2016).

    The embedding table has a row for each Latin-1 character and hashes all others into as many rows again, so it does
    not depend on a data set, and every character of every script has a row.

    Args:
        hidden_size: Features per word, K.
        embedding_size: Width of a character embedding.
        kernel_size: Number of characters that a filter sees, odd.
        max_characters: Maximum number of characters per word; of a longer one the beginning and the end are read.
        dropout: Dropout on the character embeddings.

    Raises:
        ConfigurationError: If ``kernel_size`` is even or ``max_characters`` below 2.
    """

    def __init__(
        self,
        hidden_size: int = 64,
        embedding_size: int = 32,
        kernel_size: int = 3,
        max_characters: int = 20,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_range("characters.hidden_size", hidden_size, "[1, inf)")
        check_range("characters.embedding_size", embedding_size, "[1, inf)")
        check_range("characters.kernel_size", kernel_size, "[1, inf)")
        check_range("characters.max_characters", max_characters, "[2, inf)")
        check_range("characters.dropout", dropout, "[0, 1)")
        if kernel_size % 2 == 0:
            raise ConfigurationError(f"expected an odd characters.kernel_size, got {kernel_size}")
        self.hidden_size = hidden_size
        self.max_characters = max_characters
        self.embedding = nn.Embedding(1 + PLAIN_CODES + OTHER_CODES, embedding_size, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.convolution = nn.Conv1d(embedding_size, hidden_size, kernel_size, padding=kernel_size // 2)

    def forward(self, characters: Tensor) -> Tensor:
        """Encode words from their characters.

        Args:
            characters: Character ids from :func:`character_ids`, shape ``(B, W, C)``, zero where padded.

        Returns:
            Shape ``(B, W, K)``.
        """
        flat = characters.flatten(0, 1)
        real = flat != 0
        if flat.device.type == "cpu" and not torch.compiler.is_compiling():
            # One link in a batch makes most of its characters padding; a GPU would have to wait for their number.
            features = self._convolve_packed(flat, real)
        else:
            features = self._convolve(flat)
            # Filter outputs at padding would make a word's features depend on the longest word of its batch.
            features = features.masked_fill(~real.unsqueeze(-1), 0.0)
        largest = features.max(dim=1).values  # faster backward than amax
        return largest.relu().view(*characters.shape[:2], self.hidden_size)

    def _convolve(self, characters: Tensor) -> Tensor:
        """Apply the filters to N rows of characters, ``(N, C)``; returns shape ``(N, C, K)``."""
        embedded = self.dropout(self.embedding(characters))
        features: Tensor = self.convolution(embedded.transpose(1, 2))
        return features.transpose(1, 2)

    def _convolve_packed(self, characters: Tensor, real: Tensor) -> Tensor:
        """Apply the filters to all words in one row, with as much padding between them as a filter sees."""
        gap = self.convolution.kernel_size[0] // 2
        packed = pad(characters, (gap, 0))[pad(real, (gap, 0), value=True)]
        features = self._convolve(packed.unsqueeze(0)).squeeze(0)
        result = features.new_zeros(*characters.shape, self.hidden_size)
        result[real] = features[packed != 0]
        return result


def character_ids(posts: Sequence[Post], max_characters: int) -> Tensor:
    """Look up the characters of each word.

    Args:
        posts: B posts.
        max_characters: Maximum number of characters per word; of a longer one the beginning and the end are kept.

    Returns:
        Rows of the table of :class:`CharacterCNN`, shape ``(B, W, C)``, zero where padded.
    """
    counts = np.array([len(post.words) for post in posts])
    words = list(chain.from_iterable(post.words for post in posts))
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    codes = np.frombuffer("".join(words).encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
    ids = 1 + np.where(codes < PLAIN_CODES, codes, PLAIN_CODES + codes % OTHER_CODES).astype(np.int64)
    word = np.repeat(np.arange(len(words)), lengths)
    place = np.arange(len(codes)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    # Of a word that is too long keep beginning and end, where capitalisation and suffix are.
    overflow = np.maximum(lengths[word] - max_characters, 0)
    front = place < max_characters // 2
    kept = front | (place >= max_characters // 2 + overflow)
    column = np.where(front, place, place - overflow)
    table = np.zeros((len(words), int(min(lengths.max(initial=1), max_characters))), dtype=np.int64)
    table[word[kept], column[kept]] = ids[kept]
    result = np.zeros((len(posts), int(counts.max(initial=1)), table.shape[1]), dtype=np.int64)
    result[np.arange(result.shape[1]) < counts[:, None]] = table
    return torch.from_numpy(result)

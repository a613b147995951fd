"""The words of a captioner that writes word by word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from mner.errors import ConfigurationError

END, START, UNKNOWN = 0, 1, 2
SPECIALS = ("<end>", "<start>", "<unk>")
WORD = re.compile(r"\w+(?:['’-]\w+)*")


class Vocabulary:
    """Words and their indices; captions are padded with the end symbol.

    Args:
        words: Distinct words in lower case; the special symbols precede them.

    Raises:
        ConfigurationError: If there is no word, or one occurs twice.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = [*SPECIALS, *words]
        self._index = {word: index for index, word in enumerate(self.words)}
        if not words or len(self._index) < len(self.words):
            raise ConfigurationError(f"expected distinct words, got {len(words)} with {len(set(words))} different ones")

    def __len__(self) -> int:
        """The number of words, specials included."""
        return len(self.words)

    def encode(self, captions: Sequence[str]) -> Tensor:
        """Indices of the words of B captions, each closed by the end, shape ``(B, T)``."""
        rows = [[*(self._index.get(word, UNKNOWN) for word in split(caption)), END] for caption in captions]
        indices = torch.full((len(rows), max(map(len, rows), default=0)), END)
        for row, known in zip(indices, rows, strict=True):
            row[: len(known)] = torch.tensor(known)
        return indices

    def decode(self, indices: Iterable[int]) -> str:
        """The caption up to its end."""
        words = []
        for index in indices:
            if index == END:
                break
            words.append(self.words[index])
        return " ".join(words)


def split(caption: str) -> list[str]:
    """The words of a caption in lower case, without punctuation."""
    return WORD.findall(caption.lower())


def common_words(captions: Iterable[str], min_count: int = 5) -> list[str]:
    """List the words that occur often enough to be learned, the most frequent first.

    Args:
        captions: Training captions.
        min_count: Minimum number of occurrences; rarer words are unknown to the captioner.
    """
    counts = Counter(word for caption in captions for word in split(caption))
    common = (word for word, count in counts.items() if count >= min_count)
    return sorted(common, key=lambda word: (-counts[word], word))

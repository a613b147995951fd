"""The length of a post, with which the length and the bounds of a value are compared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from mner.word_tokenizers import TweetTokenizer


class Extent:
    """How many words and characters a post has, with which the length and bounds of an annotation are compared.

    Args:
        words: The words, or ``None`` where only the text is known.
        text: The raw text, if it is known.
    """

    def __init__(self, words: Sequence[str] | None, text: str | None) -> None:
        self.words, self.text = words, " ".join(words or ()) if text is None else text

    @cached_property
    def word_counts(self) -> frozenset[int]:
        """The number of words; of a raw text, the numbers that different tokenizers give."""
        if self.words is not None:
            return frozenset({len(self.words)})
        return frozenset({len(self.text.split()), len(TweetTokenizer().offsets(self.text))})

    @cached_property
    def limit(self) -> int:
        """What no offset exceeds, in whatever unit: the number of UTF-8 bytes, counted from 1."""
        return len(self.text.encode("utf-8", "surrogatepass")) + 1

    def contains(self, surface: object) -> bool:
        """Whether a value is a string that occurs in the text, regardless of case and spaces."""
        if not isinstance(surface, str) or not surface.strip():
            return False
        return "".join(surface.split()).casefold() in self._squeezed

    @cached_property
    def _squeezed(self) -> str:
        return "".join(self.text.split()).casefold()

"""The contract of a word tokenizer: raw text in, character offsets of its words out."""

from __future__ import annotations

from abc import ABC, abstractmethod

from mner.components import Component


class WordTokenizer(Component, ABC):
    """Splits raw text into words, using only the text.

    A model owns one and saves it in its checkpoint, so that new posts are split as its training posts were. It never
    sees a gold span. It is plain data: it can be pickled and contains no ``nn.Module``.
    """

    @abstractmethod
    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Locate the words of a text.

        Args:
            text: Raw text.

        Returns:
            Character offsets ``(start, end)`` per word, ``end`` exclusive, in order and without overlap. Every visible
            character is inside exactly one of them.
        """

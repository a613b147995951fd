"""Words separated by white space, for text that is tokenised already."""

from __future__ import annotations

import re

from mner.word_tokenizers.base import WordTokenizer
from mner.word_tokenizers.characters import is_invisible

_WORD = re.compile(r"\S+")


class WhitespaceTokenizer(WordTokenizer):
    """Splits at white space only: ``"Riga , 52"`` has three words, ``"Riga, 52"`` has two.

    Example:
        >>> WhitespaceTokenizer().offsets("Riga, 52")
        [(0, 5), (6, 8)]
    """

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Locate the words of a text; see :meth:`WordTokenizer.offsets`."""
        return [match.span() for match in _WORD.finditer(text) if not is_invisible(match.group())]

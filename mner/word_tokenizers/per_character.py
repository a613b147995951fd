"""One word per character, for corpora of scripts without spaces."""

from __future__ import annotations

import re
from functools import cache

from mner.word_tokenizers.base import WordTokenizer
from mner.word_tokenizers.characters import EMOJI, combining_marks, is_invisible


class CharacterTokenizer(WordTokenizer):
    """Makes every visible character a word, with its combining marks; an emoji is one word.

    For corpora tokenised by character, such as CMNER (Weibo). In mixed text prefer
    :class:`~mner.word_tokenizers.TweetTokenizer`, which splits scripts without spaces only.

    Example:
        >>> CharacterTokenizer().offsets("在 北京")
        [(0, 1), (2, 3), (3, 4)]
    """

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Locate the words of a text; see :meth:`WordTokenizer.offsets`."""
        return [match.span() for match in _pattern().finditer(text) if not is_invisible(match.group())]


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(rf"{EMOJI}|\S[{combining_marks()}\u200c\u200d]*")

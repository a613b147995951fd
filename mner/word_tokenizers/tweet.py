"""The default word tokenizer, which splits text as the Twitter data sets do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from mner.word_tokenizers.base import WordTokenizer
from mner.word_tokenizers.characters import EMOJI, UNSPACED, combining_marks, is_invisible

_LINK = (
    r"(?:https?://|www\.)(?:[^\s<>\"“”]*[^\s<>\"“”'’.,;:!?()\[\]{}])?"
    r"|(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}/(?:[^\s<>\"“”]*[^\s<>\"“”'’.,;:!?()\[\]{}])?"
)
_EMAIL = r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
_HTML_ENTITY = r"&\#?\w{1,10};"
_EMOTICON = r"[:;=][-']?[()\[\]DPp](?!\w)"


class TweetTokenizer(WordTokenizer):
    """Splits as Twitter-2015 and Twitter-2017 do.

    Links, e-mail addresses, numbers with their separators, HTML entities, emoji with their modifiers and simple
    emoticons stay whole; every other punctuation mark is a word of its own, apostrophes and hyphens included
    ("It ' s", "O ' Hare"). White space separates words, and so do invisible characters outside a word or an emoji.

    Args:
        split_marks: Split the ``#`` and ``@`` off a name, as Twitter-2017 does, so that an entity after it can be
            found; Twitter-2015 keeps ``#Riga`` and ``@user`` whole.
        split_unspaced: Make every character of a script without spaces (Chinese, Japanese, Thai, Lao, Khmer, Myanmar)
            a separate word, with its combining marks, also in mixed text.

    Example:
        >>> text = "RT @BBC: #Riga's 52 dead 在北京 http://t.co/oT"
        >>> " ".join(text[start:end] for start, end in TweetTokenizer().offsets(text))
        "RT @ BBC : # Riga ' s 52 dead 在 北 京 http://t.co/oT"
    """

    def __init__(self, split_marks: bool = True, split_unspaced: bool = True) -> None:
        self.split_marks = split_marks
        self.split_unspaced = split_unspaced

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Locate the words of a text; see :meth:`WordTokenizer.offsets`."""
        return [
            match.span()
            for match in _pattern(self.split_marks, self.split_unspaced).finditer(text)
            if match.end() - match.start() > 1 or not is_invisible(match.group())
        ]


def lone_marks(words: Sequence[str]) -> int:
    """Count the marks ``#`` and ``@`` that are words of their own, less those that are the beginning of a word.

    Posts that were split after marks, as those of Twitter-2017 and unlike those of Twitter-2015, have a positive sum.
    """
    text = "".join(words)
    if "#" not in text and "@" not in text:
        return 0
    return sum(1 if len(word) == 1 else -1 for word in words if word[:1] in ("#", "@"))


@cache
def _pattern(split_marks: bool, split_unspaced: bool) -> re.Pattern[str]:
    marks = combining_marks()
    any_word = rf"[\w{marks}\u00ad\u200c\u200d]"
    if split_unspaced:
        letter, joined = rf"(?:[^\W{UNSPACED}]|[{marks}])", rf"(?:[^\W{UNSPACED}]|[{marks}\u00ad\u200c\u200d])"
        words = [rf"{letter}{joined}*", rf"[{UNSPACED}][{marks}\u200c\u200d]*"]
    else:
        joined = any_word
        words = [rf"[\w{marks}]{any_word}*"]
    number = rf"\d+(?:[.,:]\d+)+{joined}*"
    hashtag = [] if split_marks else [rf"[@#]{any_word}+"]
    kinds = [_LINK, _EMAIL, EMOJI, *hashtag, number, _HTML_ENTITY, _EMOTICON, *words, r"\S"]
    return re.compile("|".join(kinds), re.IGNORECASE)

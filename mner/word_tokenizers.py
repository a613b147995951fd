"""The one tokeniser for raw text: words as the Twitter data sets cut them, with character offsets.

Both Twitter-2015 and Twitter-2017 make every punctuation mark a word of its own, apostrophes and hyphens included
("It ' s", "O ' Hare"), and keep links and numbers whole. A model trained on them must be shown raw text cut the
same way. They differ in one thing: Twitter-2015 keeps ``#Riga`` and ``@user`` whole, Twitter-2017 writes ``# Riga``
and ``@ user``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

# A pictograph with its variation selector, skin tone and tags; several of them joined by U+200D are one picture.
_PICTOGRAPH = (
    "[\u2190-\u21ff\u2300-\u27bf\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
    "[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
)
_EMOJI = f"[\U0001f1e6-\U0001f1ff]{{2}}|[#*0-9]\ufe0f?\u20e3|{_PICTOGRAPH}(?:\u200d{_PICTOGRAPH})*"
_LINK = (
    r"(?:https?://|www\.)(?:[^\s<>\"“”]*[^\s<>\"“”'’.,;:!?()\[\]{}])?"
    r"|(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}/(?:[^\s<>\"“”]*[^\s<>\"“”'’.,;:!?()\[\]{}])?"
)
_EMAIL = r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
_NUMBER = r"\d+(?:[.,:]\d+)+\w*"
_HTML_ENTITY = r"&\#?\w{1,10};"
_EMOTICON = r"[:;=][-']?[()\[\]DPp](?!\w)"


@cache
def _pattern(split_marks: bool) -> re.Pattern[str]:
    # \w knows no combining marks, yet most words of Hindi or Thai hold some. Variation selectors belong to emoji.
    marks = "".join(
        chr(code)
        for code in range(0x300, 0x12000)
        if unicodedata.category(chr(code)).startswith("M") and not 0xFE00 <= code <= 0xFE0F
    )
    word = rf"[\w{marks}\u00ad\u200c\u200d]"
    start = rf"[\w{marks}]"
    kinds = [_LINK, _EMAIL, _EMOJI, _NUMBER, _HTML_ENTITY, _EMOTICON, rf"{start}{word}*", r"\S"]
    if not split_marks:
        kinds.insert(3, rf"[@#]{word}+")
    return re.compile("|".join(kinds), re.IGNORECASE)


def split_words(text: str, *, split_marks: bool = False) -> tuple[list[str], list[tuple[int, int]]]:
    """Cut raw text into words.

    Links, e-mail addresses, mentions, hashtags, numbers with their separators, HTML entities, emoji with their
    modifiers and simple emoticons stay whole; every other mark is a word of its own. White space separates, and so do
    invisible characters that stand outside a word or an emoji: everything visible is in exactly one word.

    Args:
        text: Raw text.
        split_marks: Make the ``#`` and ``@`` before a name a word of its own, as Twitter-2017 does.

    Returns:
        The words, and for each its character offsets ``(start, end)`` in ``text``, ``end`` exclusive.

    Example:
        >>> split_words("RT @BBC: #Riga's 52 dead http://t.co/oT")[0]
        ['RT', '@BBC', ':', '#Riga', "'", 's', '52', 'dead', 'http://t.co/oT']
    """
    offsets = [
        match.span()
        for match in _pattern(split_marks).finditer(text)
        if match.end() - match.start() > 1 or not is_invisible(match.group())
    ]
    return [text[start:end] for start, end in offsets], offsets


def marks_stand_alone(posts: Iterable[Sequence[str]]) -> bool:
    """Tell whether posts were cut before ``#`` and ``@``: Twitter-2017 was, Twitter-2015 was not.

    Args:
        posts: The words of each post.
    """
    alone = whole = 0
    for words in posts:
        marked = [len(word) > 1 for word in words if word[:1] in ("#", "@")]
        whole += sum(marked)
        alone += len(marked) - sum(marked)
    return alone > whole


def is_invisible(word: str) -> bool:
    """Whether nothing of a word is seen: it is empty, or all white space, control, format or selector characters.

    Such words occur in Twitter-2017, left of emoji; a BERT tokenizer makes no subword of them, nor of U+FFFD.
    """
    return all(
        unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")
        or "\ufe00" <= character <= "\ufe0f"
        or character == "\ufffd"
        for character in word
    )

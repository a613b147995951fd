"""The words of a post in its text: whether they are those of the text, and where they are in it."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

from mner.data.lines import Line
from mner.data.span_units import counting_advice

Offsets = Sequence[tuple[int, int]]
"""Start and end of each word in the text, in characters."""

_PLACEHOLDER = re.compile(r"[@<\[:]|(HTTP)?URL$", re.IGNORECASE)
_MARKS = re.compile(r"^[\u0120\u010a]+|</w>$")  # GPT-2's of spaces and line breaks; the others are not letters


def align_words(words: Sequence[str], text: str) -> list[tuple[int, int]] | None:
    """Find words in their text, one after the other; ``None`` if visible text is left over or a word is missing."""
    offsets, last = [], 0
    for word in words:
        forms = (word, unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word))
        start, form = next(((place, form) for form in forms if (place := text.find(form, last)) >= 0), (-1, word))
        if start < 0 or text[last:start].strip():
            return None
        last = start + len(form)
        offsets.append((start, last))
    return None if text[last:].strip() else offsets


def check_offsets(words: Sequence[str], text: str, offsets: Offsets, line: Line) -> None:
    """Reject word offsets that are not those of the words.

    Raises:
        FormatError: Names the first word that is not at its offsets in the text.
    """
    last = 0
    for word, (start, end) in zip(words, offsets, strict=True):
        if not last <= start <= end <= len(text):
            raise line.error(
                f"the offsets {start}-{end} of {word!r} are out of order, or not within the {len(text)} characters",
                counting_advice(text),
            )
        if unicodedata.normalize("NFC", text[start:end]) != unicodedata.normalize("NFC", word):
            raise line.error(
                f"the text at the offsets {start}-{end} of {word!r} is {text[start:end]!r}", counting_advice(text)
            )
        last = end


def check_words(words: Sequence[str], text: str, line: Line) -> None:
    """Reject words that are not those of their text, such as those of another post.

    A tokenisation may normalise: case, accents and entities of HTML are ignored, and so are punctuation, marks of
    subwords, and placeholders such as ``@USER`` and ``<url>``.

    Raises:
        FormatError: If fewer than half of the words occur in the text.
    """
    compared = {word: letters for word in words if not _PLACEHOLDER.match(word) and (letters := _letters(word))}
    whole = _letters(text)
    missing = [word for word, letters in compared.items() if letters not in whole]
    if whole and 2 * len(missing) > len(compared):
        raise line.error(
            f"the words are not those of the text: {missing[0]!r:.60} does not occur in {text!r:.60}",
            "Keep the one that is annotated, and delete the other",
        )


def _letters(text: str) -> str:
    """The letters and digits of a text, without case and accents."""
    plain = unicodedata.normalize("NFKD", html.unescape(_MARKS.sub("", text)))
    return "".join(filter(str.isalnum, plain.casefold()))

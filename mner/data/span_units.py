"""The units in which span bounds may count: characters, UTF-16 units, bytes, graphemes or words, from 0 or from 1."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import accumulate, islice

from mner.data.spans import Span
from mner.word_tokenizers.characters import EMOJI, combining_marks

Reading = Callable[[Span], Span | None]
"""Converts a span from a unit; ``None`` if its bounds are within a character."""

_MAX_MARKS = 30  # on one letter, as in Unicode's stream-safe text


def word_readings() -> Iterator[tuple[str, Reading]]:
    """Readings of bounds in words, by what they count; the first one is as written."""
    yield "", lambda span: span
    yield "the end inclusively", lambda span: replace(span, end=span.end + 1)
    yield "from 1, the end inclusively", lambda span: replace(span, start=span.start - 1)
    yield "from 1", from_one


def from_one(span: Span) -> Span:
    """Convert a span that counts from 1."""
    return replace(span, start=span.start - 1, end=span.end - 1)


def character_readings(text: str) -> Iterator[tuple[str, Reading]]:
    """Readings of bounds in a text, by what they count; the first one is as written."""
    yield "", lambda span: span
    yield from unit_readings(text)
    yield from islice(word_readings(), 1, None)


def unit_readings(text: str) -> Iterator[tuple[str, Reading]]:
    """Readings of bounds in units other than characters, as far as they differ in a text."""
    if _has_astral(text):
        yield "UTF-16 units", _from_units([2 if character > "\uffff" else 1 for character in text])
    if not text.isascii():
        yield "UTF-8 bytes", _from_units([len(character.encode("utf-8", "surrogatepass")) for character in text])
    if not unicodedata.is_normalized("NFC", text):
        yield "characters of the composed text (NFC)", _from_units(_composed_sizes(text))
    if not unicodedata.is_normalized("NFD", text):
        sizes = [len(unicodedata.normalize("NFD", character)) for character in text]
        yield "characters of the decomposed text (NFD)", _from_units(sizes)
    if 0 in (sizes := grapheme_sizes(text)):
        yield "graphemes, the characters as they are displayed", _from_units(sizes)


def grapheme_sizes(text: str) -> list[int]:
    """The number of graphemes that begin at each character: none at a combining mark or within an emoji."""
    return [size for found in _grapheme().finditer(text) for size in (1, *[0] * (len(found[0]) - 1))]


def counting_advice(text: str) -> str:
    """Advise how to count the characters of a text."""
    if _has_astral(text):
        return "Count Unicode characters from 0: an emoji is one, where JavaScript counts two and UTF-8 four"
    return f"Count {'characters' if text.isascii() else 'characters, not bytes,'} from 0, with the end exclusive"


def _composed_sizes(text: str) -> list[int]:
    """The number of composed characters that begin at each character of a text."""
    sizes: list[int] = []
    start = composed = 0  # of the characters so far that may be composed with the next one
    for place, character in enumerate(text):
        grown = len(unicodedata.normalize("NFC", text[start : place + 1]))
        if (not unicodedata.combining(character) and grown == composed + 1) or place - start > _MAX_MARKS:
            start, grown, composed = place, 1, 0
        sizes.append(grown - composed)
        composed = grown
    return sizes


@cache
def _grapheme() -> re.Pattern[str]:
    return re.compile(f"(?:{EMOJI}|\r\n|.)[{combining_marks()}\ufe00-\ufe0f\u200d]*", re.DOTALL)


def _from_units(sizes: Iterable[int]) -> Reading:
    """Read bounds that count units, by the number of units of each character."""
    units = list(accumulate(sizes, initial=0))
    places = {unit: place for place, unit in enumerate(units)}

    def read(span: Span) -> Span | None:
        start, end = places.get(span.start), places.get(span.end)
        return None if start is None or end is None else replace(span, start=start, end=end)

    return read


def _has_astral(text: str) -> bool:
    return any(character > "\uffff" for character in text)

"""Units of span and word bounds, inferred from the text that the file gives for each of them."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import accumulate, islice

from mner.data.lines import Line
from mner.data.spans import Span, check_spans
from mner.errors import FormatError
from mner.word_tokenizers.characters import EMOJI, combining_marks, is_invisible

Offsets = Sequence[tuple[int, int]]
_Reading = Callable[[Span], Span | None]

_ESCAPED = re.compile(r"\\[nrt]")
_PLACEHOLDER = re.compile(r"[@<\[:]|(HTTP)?URL$", re.IGNORECASE)
_MARKS = re.compile(r"^[\u0120\u010a]+|</w>$")  # GPT-2's of spaces and line breaks; the others are not letters
_MAX_MARKS = 30  # on one letter, as in Unicode's stream-safe text
_HTML = re.compile(r"</?[a-z]|&#?\w+;", re.IGNORECASE)


def settle_characters(text: str, spans: Sequence[Span], line: Line) -> list[Span]:
    """Infer the unit of character spans, and check them.

    Bounds in UTF-16 units, as in JavaScript, in UTF-8 bytes, in graphemes, as in Swift, or in the characters of the
    composed or decomposed text (Unicode's NFC and NFD), inclusive ends, and bounds that count from 1 are converted, and
    noted, where the spans' own text proves them.

    Args:
        text: The raw text.
        spans: Its spans.
        line: Their line.

    Returns:
        The spans in Unicode characters with exclusive ends, in order.

    Raises:
        FormatError: If a span is outside the text, or overlaps another; if its text is not the one in the file; or if,
            without such texts, the spans match words only in another unit.
    """
    spans = _settle(spans, _character_readings(text), lambda span: text[span.start : span.end], len(text), line)
    _refuse_other_units(text, spans, line)
    spans = check_spans(spans, len(text), "characters", line)
    for span in spans:
        found = text[span.start : span.end]
        if not _is_claimed(span, found):
            claimed = span.text or ""
            raise line.error(
                f"the span {span} reads {found!r}, but the file says {claimed!r}", _claim_remedy(claimed, text)
            )
        if is_invisible(found):
            raise line.error(f"the span {span} has no visible character", "Delete it")
    return spans


def without_space(text: str, spans: Sequence[Span], line: Line) -> list[Span]:
    """Leave white space at the ends of character spans out of them, which no predicted entity has; it is noted.

    Args:
        text: The raw text.
        spans: Its spans, from :func:`settle_characters`.
        line: Their line.
    """
    trimmed = []
    for span in spans:
        found = text[span.start : span.end]
        start = span.start + len(found) - len(found.lstrip())
        trimmed.append(replace(span, start=start, end=start + len(found.strip())))
        if trimmed[-1] != span:
            line.note("white space at the ends of spans was left out of them", repr(found))
    return trimmed


def settle_words(words: Sequence[str], spans: Sequence[Span], line: Line) -> list[Span]:
    """Infer whether the ends of word spans are exclusive, and check them.

    Args:
        words: The post's words.
        spans: Its spans.
        line: Their line.

    Returns:
        The spans with exclusive ends, in order. Inclusive ends are converted, and noted, where the spans' own text
        proves them.

    Raises:
        FormatError: If a span is outside the post, overlaps another, or its words are not those in the file.
    """
    spans = _settle(spans, _word_readings(), lambda span: " ".join(words[span.start : span.end]), len(words), line)
    spans = check_spans(spans, len(words), "words", line)
    for span in spans:
        found = " ".join(words[span.start : span.end])
        if not _is_claimed(span, found):
            raise line.error(
                f"the span {span} reads {found!r}, but the file says {span.text!r}",
                "Count words from 0, with the end exclusive",
            )
    return spans


def spans_over_words(
    words: Sequence[str], text: str, offsets: Offsets | None, spans: Sequence[Span], line: Line
) -> list[Span]:
    """Read the spans of a post that has both words and a text, where the spans may count either.

    Args:
        words: The words.
        text: The raw text.
        offsets: Offsets of the words in it, if the file has them.
        spans: The spans, in words or in characters.
        line: Their line.

    Returns:
        The spans in words.

    Raises:
        FormatError: If they are malformed under both interpretations, or are different entities under each.
    """
    if any(span.unit == "characters" for span in spans):
        return _words_of_characters(words, text, offsets, spans, line)
    readings: list[list[Span]] = []
    errors: list[FormatError] = []
    for read in (
        partial(settle_words, words, spans, line),
        partial(_words_of_characters, words, text, offsets, spans, line),
    ):
        try:
            readings.append(read())
        except FormatError as error:  # noqa: PERF203 - two readings
            errors.append(error)
    if not readings:
        raise errors[1 if any(span.end > len(words) for span in spans) else 0]
    if any(reading != readings[0] for reading in readings):
        raise line.error(
            f"the spans may count words ({_entities(words, readings[0])}) or characters "
            f"({_entities(words, readings[1])})",
            "Delete the words or the text, name character bounds start_char and end_char, or give each span its text",
        )
    return readings[0]


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
                _remedy(text),
            )
        if _composed(text[start:end]) != _composed(word):
            raise line.error(f"the text at the offsets {start}-{end} of {word!r} is {text[start:end]!r}", _remedy(text))
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


def _words_of_characters(
    words: Sequence[str], text: str, offsets: Offsets | None, spans: Sequence[Span], line: Line
) -> list[Span]:
    offsets = align_words(words, text) if offsets is None else offsets
    if offsets is None:
        raise line.error("the words are not those of the text", "Delete one of the two, or give the words' offsets")
    starts = {start: index for index, (start, _) in reversed(list(enumerate(offsets)))}
    ends = {end: index + 1 for index, (_, end) in enumerate(offsets)}
    converted = []
    for span in without_space(text, settle_characters(text, spans, line), line):
        if span.start not in starts or span.end not in ends:
            raise line.error(
                f"the span {span}, in characters, does not begin and end with a word",
                "Delete the words, so that the text is tokenized, or correct the span",
            )
        converted.append(replace(span, start=starts[span.start], end=ends[span.end]))
    return converted


def _settle(
    spans: Sequence[Span],
    readings: Iterator[tuple[str, _Reading]],
    surface: Callable[[Span], str],
    length: int,
    line: Line,
) -> Sequence[Span]:
    """Interpret the spans so that every text in the file agrees; leave them unchanged if that is impossible."""
    for name, reading in readings:
        converted = [read for span in spans if (read := reading(span)) is not None and 0 <= read.start < read.end]
        if len(converted) < len(spans) or any(span.end > length for span in converted):
            continue
        if all(_is_claimed(span, surface(span)) for span in converted):
            if name and all(span.text is None for span in spans):
                continue  # nothing proves it
            if name:
                line.note(f"bounds of spans were converted: they count {name}, as the spans' text shows")
            return converted
    return spans


def _word_readings() -> Iterator[tuple[str, _Reading]]:
    yield "", lambda span: span
    yield "the end inclusively", lambda span: replace(span, end=span.end + 1)
    yield "from 1, the end inclusively", lambda span: replace(span, start=span.start - 1)
    yield "from 1", lambda span: replace(span, start=span.start - 1, end=span.end - 1)


def _character_readings(text: str) -> Iterator[tuple[str, _Reading]]:
    yield "", lambda span: span
    yield from _unit_readings(text)
    yield from islice(_word_readings(), 1, None)


def _unit_readings(text: str) -> Iterator[tuple[str, _Reading]]:
    if _has_astral(text):
        yield "UTF-16 units", _from_units([2 if character > "\uffff" else 1 for character in text])
    if not text.isascii():
        yield "UTF-8 bytes", _from_units([len(character.encode("utf-8", "surrogatepass")) for character in text])
    if not unicodedata.is_normalized("NFC", text):
        yield "characters of the composed text (NFC)", _from_units(_composed_sizes(text))
    if not unicodedata.is_normalized("NFD", text):
        sizes = [len(unicodedata.normalize("NFD", character)) for character in text]
        yield "characters of the decomposed text (NFD)", _from_units(sizes)
    if 0 in (sizes := _grapheme_sizes(text)):
        yield "graphemes, the characters as they are displayed", _from_units(sizes)


def _composed_sizes(text: str) -> list[int]:
    """The number of composed characters that begin at each character of a text."""
    sizes: list[int] = []
    start = composed = 0  # of the characters so far that may be composed with the next one
    for place, character in enumerate(text):
        grown = len(_composed(text[start : place + 1]))
        if (not unicodedata.combining(character) and grown == composed + 1) or place - start > _MAX_MARKS:
            start, grown, composed = place, 1, 0
        sizes.append(grown - composed)
        composed = grown
    return sizes


def _grapheme_sizes(text: str) -> list[int]:
    """The number of graphemes that begin at each character: none at a combining mark or within an emoji."""
    return [size for found in _grapheme().finditer(text) for size in (1, *[0] * (len(found[0]) - 1))]


@cache
def _grapheme() -> re.Pattern[str]:
    return re.compile(f"(?:{EMOJI}|\r\n|.)[{combining_marks()}\ufe00-\ufe0f\u200d]*", re.DOTALL)


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _from_units(sizes: Iterable[int]) -> _Reading:
    """Read bounds that count units, by the number of units of each character."""
    units = list(accumulate(sizes, initial=0))
    places = {unit: place for place, unit in enumerate(units)}

    def read(span: Span) -> Span | None:
        start, end = places.get(span.start), places.get(span.end)
        return None if start is None or end is None else replace(span, start=start, end=end)

    return read


def _has_astral(text: str) -> bool:
    return any(character > "\uffff" for character in text)


def _is_claimed(span: Span, found: str) -> bool:
    """Whether a text is that of its span, apart from case, composition and white space (which may be escaped)."""
    if span.text is None:
        return True
    return _squeezed(found) in {_squeezed(span.text), _squeezed(_ESCAPED.sub(" ", span.text))}


def _squeezed(text: str) -> str:
    """A composed text without white space and case."""
    return _composed("".join(text.split())).casefold()


def _letters(text: str) -> str:
    """The letters and digits of a text, without case and accents."""
    plain = unicodedata.normalize("NFKD", html.unescape(_MARKS.sub("", text)))
    return "".join(filter(str.isalnum, plain.casefold()))


def _remedy(text: str) -> str:
    """How to count the characters of a text."""
    if _has_astral(text):
        return "Count Unicode characters from 0: an emoji is one, where JavaScript counts two and UTF-8 four"
    return f"Count {'characters' if text.isascii() else 'characters, not bytes,'} from 0, with the end exclusive"


def _claim_remedy(claimed: str, text: str) -> str:
    """What to do about a span whose text in the file is not the one at its bounds."""
    if _HTML.search(text):
        return "Give the text without HTML: the bounds count what is displayed"
    if (start := text.find(claimed.strip())) >= 0:
        return f"{_remedy(text)}; {claimed.strip()!r} is at {start}-{start + len(claimed.strip())}"
    return "Correct the bounds, or the text of the span, which does not occur in the text of the post"


def _refuse_other_units(text: str, spans: Sequence[Span], line: Line) -> None:
    """Reject spans without text that split words, where in another unit, or counted from 1, none of them would."""
    if not spans or any(span.text is not None for span in spans):
        return
    whole = [_is_whole(text, span) for span in spans]
    if all(whole):
        return
    readings = list(_unit_readings(text))
    if not any(whole):  # words may be annotated in part, but hardly all of them, each one character late
        readings.append(("from 1", lambda span: replace(span, start=span.start - 1, end=span.end - 1)))
    for name, reading in readings:
        shifted = [reading(span) for span in spans]
        if all(span is not None and span.start < span.end and _is_whole(text, span) for span in shifted):
            span = spans[whole.index(False)]
            surface = text[span.start : span.end]
            raise line.error(
                f"the span {span} is {surface!r}, which splits a word; it would not if the bounds counted {name}",
                _remedy(text),
            )


def _is_whole(text: str, span: Span) -> bool:
    """Whether a span begins and ends with visible characters and splits no word."""
    inner = {place for place, size in enumerate(_grapheme_sizes(text)) if not size}

    def within_word(place: int) -> bool:
        letters = 0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()
        return letters or place in inner

    surface = text[span.start : span.end]
    if not 0 <= span.start < span.end <= len(text) or surface.strip() != surface:
        return False
    return not within_word(span.start) and not within_word(span.end)


def _entities(words: Sequence[str], spans: Sequence[Span]) -> str:
    return ", ".join(repr(" ".join(words[span.start : span.end])) for span in spans)

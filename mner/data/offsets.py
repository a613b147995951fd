"""Span bounds in characters or words, whatever unit the file counts in: its texts of the spans prove which."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from mner.data.lines import Line
from mner.data.span_units import (
    Reading,
    character_readings,
    counting_advice,
    from_one,
    grapheme_sizes,
    unit_readings,
    word_readings,
)
from mner.data.spans import Span, check_spans
from mner.data.words_in_text import Offsets, align_words
from mner.errors import FormatError
from mner.word_tokenizers.characters import is_invisible

_ESCAPED = re.compile(r"\\[nrt]")
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
    spans = _settle(spans, character_readings(text), lambda span: text[span.start : span.end], len(text), line)
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
    spans = _settle(spans, word_readings(), lambda span: " ".join(words[span.start : span.end]), len(words), line)
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
    readings: Iterator[tuple[str, Reading]],
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


def _is_claimed(span: Span, found: str) -> bool:
    """Whether a text is that of its span, apart from case, composition and white space (which may be escaped)."""
    if span.text is None:
        return True
    return _squeezed(found) in {_squeezed(span.text), _squeezed(_ESCAPED.sub(" ", span.text))}


def _squeezed(text: str) -> str:
    """A composed text without white space and case."""
    return unicodedata.normalize("NFC", "".join(text.split())).casefold()


def _claim_remedy(claimed: str, text: str) -> str:
    """What to do about a span whose text in the file is not the one at its bounds."""
    if _HTML.search(text):
        return "Give the text without HTML: the bounds count what is displayed"
    if (start := text.find(claimed.strip())) >= 0:
        return f"{counting_advice(text)}; {claimed.strip()!r} is at {start}-{start + len(claimed.strip())}"
    return "Correct the bounds, or the text of the span, which does not occur in the text of the post"


def _refuse_other_units(text: str, spans: Sequence[Span], line: Line) -> None:
    """Reject spans without text that split words, where in another unit, or counted from 1, none of them would."""
    if not spans or any(span.text is not None for span in spans):
        return
    inner = {place for place, size in enumerate(grapheme_sizes(text)) if not size}

    def is_whole(span: Span) -> bool:
        """Whether a span begins and ends with visible characters and splits no word."""
        surface = text[span.start : span.end]
        is_within = 0 <= span.start < span.end <= len(text) and surface.strip() == surface
        return is_within and not splits_word(span.start) and not splits_word(span.end)

    def splits_word(place: int) -> bool:
        letters = 0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()
        return letters or place in inner

    whole = [is_whole(span) for span in spans]
    if all(whole):
        return
    readings = list(unit_readings(text))
    if not any(whole):  # words may be annotated in part, but hardly all of them, each one character late
        readings.append(("from 1", from_one))
    for name, reading in readings:
        shifted = [reading(span) for span in spans]
        if all(span is not None and is_whole(span) for span in shifted):
            span = spans[whole.index(False)]
            surface = text[span.start : span.end]
            raise line.error(
                f"the span {span} is {surface!r}, which splits a word; it would not if the bounds counted {name}",
                counting_advice(text),
            )


def _entities(words: Sequence[str], spans: Sequence[Span]) -> str:
    return ", ".join(repr(" ".join(words[span.start : span.end])) for span in spans)

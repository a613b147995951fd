"""The gold annotation of a record: tags of its words, or spans, checked against words and text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mner.data.annotations import TAG_KEYS
from mner.data.lines import Line
from mner.data.offsets import settle_characters, settle_words, spans_over_words, without_space
from mner.data.spans import Span, read_spans, read_tag
from mner.data.words_in_text import Offsets, align_words
from mner.labels import spans as spans_of
from mner.labels import tags_of
from mner.posts import CharacterSpan, Entity, are_strings
from mner.span_alignment import align_spans, contradiction

EXACT = "character_spans"
"""Key of the exact bounds of entities that tags widen to whole words."""


@dataclass(frozen=True, slots=True)
class Gold:
    """What a record says about its entities.

    Args:
        tags: A tag per word, of a post with words; ``None`` if it is not annotated.
        spans: The exact spans in characters, if they are given.
        units: The spans as annotated, with their boxes: in characters if ``spans`` are given, else in words; ``None``
            if the annotation is a tag per word.
        offsets: Offsets of the words, by which the boxes of ``spans`` are those of words.
    """

    tags: tuple[str, ...] | None = None
    spans: tuple[CharacterSpan, ...] | None = None
    units: Sequence[Span] | None = None
    offsets: Offsets | None = None


def read_gold(
    record: Mapping[str, Any],
    annotations: Mapping[str, list[Any]],
    words: Sequence[str] | None,
    text: str | None,
    offsets: Offsets | None,
    line: Line,
) -> Gold:
    """Read the annotation of a record.

    Args:
        record: The record.
        annotations: Its tags or spans by key, which must be the same entities if there are several.
        words: Its words, or ``None`` for a raw text.
        text: Its text.
        offsets: Offsets of the words in it, if the record has them.
        line: Its line.

    Raises:
        FormatError: If an annotation is malformed, contradicts another, or annotates a post without words.
    """
    given = {**annotations, **({EXACT: record[EXACT]} if record.get(EXACT) is not None else {})}
    if given and words is not None and not words:
        raise line.error("an annotated post with no words", "Give its words, or delete the line")
    if words is None:
        read = {key: _character_spans(text or "", key, items, line) for key, items in given.items()}
        spans = {key: _triples(each) for key, each in read.items()}
        return Gold(spans=_agreed(spans, spans, line), units=_boxed(read.values()))
    units = {key: _word_spans(key, items, words, text, offsets, line) for key, items in annotations.items()}
    tags = {key: _tags(items, units[key], len(words), line) for key, items in annotations.items()}
    entities = {key: spans_of(each) for key, each in tags.items()} if len(tags) > 1 else tags
    found = _agreed(tags, entities, line)
    if "predicted" in record and found is not None:
        _check_predicted(record.get("gold"), words, found, line)
    if EXACT not in given:
        return Gold(found, units=_boxed(units.values()))
    if any(each.boxes is not None for each in _boxed(units.values()) or ()):
        raise line.error(f"boxes of word spans in addition to {EXACT}", f"Give them to the {EXACT}")
    if text is None:
        raise line.error(f"{EXACT} without the text", "Give the post's 'text'")
    exact_units = _character_spans(text, EXACT, record[EXACT], line)
    exact = _triples(exact_units)
    places = align_words(words, text) if offsets is None else offsets
    if places is None:
        raise line.error("the words are not those of the text", "Delete one of the two, or give the words' offsets")
    if found is None:
        found = tuple(tags_of(align_spans(text, places, exact).entities, len(words)))
    elif (contradicting := contradiction(found, text, places, exact)) is not None:
        raise line.error(contradicting, "Keep the correct annotation")
    return Gold(found, exact, exact_units, places)


def strings_of(value: Any, key: str, line: Line) -> list[str]:
    """Check a list of strings.

    Raises:
        FormatError: If it is none.
    """
    if not isinstance(value, list) or not are_strings(value):
        raise line.error(
            f"{key} is {value!r:.60}, where a list of strings was expected", f'Write "{key}": ["...", ...]'
        )
    return value


def _agreed(readings: Mapping[str, Any], entities: Mapping[str, Any], line: Line) -> Any:
    """Return the first of several annotations, or ``None``; they must have the same entities."""
    keys = list(readings)
    if any(entities[key] != entities[keys[0]] for key in keys):
        raise line.error(f"{' and '.join(keys)} give different entities", "Keep the correct ones")
    return readings[keys[0]] if keys else None


def _boxed(readings: Iterable[Sequence[Span] | None]) -> Sequence[Span] | None:
    """Return the first annotation that has boxes, or else the first one."""
    read = list(readings)
    with_boxes = (each for each in read if any(span.boxes is not None for span in each or ()))
    return next(with_boxes, read[0] if read else None)


def _triples(spans: Sequence[Span]) -> tuple[CharacterSpan, ...]:
    return tuple((span.start, span.end, span.type) for span in spans)


def _character_spans(text: str, key: str, items: list[Any], line: Line) -> list[Span]:
    """Read the gold entities of a raw text."""
    if items and all(isinstance(item, str) for item in items):
        raise line.error(f"{key} has {len(items)} word tags, but there are no words", "Give the words as 'tokens'")
    spans = settle_characters(text, read_spans(items, line), line)
    return spans if key == EXACT else without_space(text, spans, line)


def _tags(items: list[Any], spans: Sequence[Span] | None, length: int, line: Line) -> tuple[str, ...]:
    if spans is None:
        tags = {tag: read_tag(tag, line) for tag in dict.fromkeys(items)}
        return tuple(map(tags.__getitem__, items))
    return tuple(tags_of([Entity(span.type, span.start, span.end) for span in spans], length, "BIO"))


def _word_spans(
    key: str, items: list[Any], words: Sequence[str], text: str | None, offsets: Offsets | None, line: Line
) -> list[Span] | None:
    """Read an annotation as spans of words; ``None`` if it is a tag per word."""
    if any(isinstance(item, str) for item in items) or (not items and key in TAG_KEYS):
        tags = strings_of(items, key, line)
        if len(tags) != len(words):
            raise line.error(f"{len(words)} words and {len(tags)} tags", "Give every word one tag")
        return None
    if key == "ner":
        raise line.error(
            f"ner is {items!r:.80}: it is ambiguous whether the ends of these spans are inclusive",
            'Write "entities": [[start, end, type]] with exclusive ends, or "tokenized_text" and "ner" as GLiNER does',
        )
    spans = read_spans(items, line)
    if text is not None:
        return spans_over_words(words, text, offsets, spans, line)
    if any(span.unit == "characters" for span in spans):
        raise line.error("character spans without the text", "Give the post's 'text'")
    return settle_words(words, spans, line)


def _check_predicted(gold: Any, words: Sequence[str], tags: Sequence[str], line: Line) -> None:
    """Check that the gold entities in predictions of mner, which repeat the tags, do not contradict them."""
    if gold is None:
        return
    spans = settle_words(words, read_spans(gold if isinstance(gold, list) else [gold], line), line)
    if {(span.type, span.start, span.end) for span in spans} != {entity.span for entity in spans_of(tags)}:
        raise line.error("gold and tags give different entities", "Keep the correct ones")

"""Parsing annotations: tags, and spans in the layouts that annotation tools and libraries export."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from mner.data.lines import Line
from mner.data.span_forms import is_common_type
from mner.errors import LabelError
from mner.labels import OUTSIDE, split_tag
from mner.unicode import visible_name

Unit = Literal["words", "characters"]

_BOUNDS: tuple[tuple[str, str, Unit | None], ...] = (
    ("start", "end", None),
    ("begin", "end", None),
    ("start_offset", "end_offset", "characters"),  # doccano
    ("start_char", "end_char", "characters"),
    ("startOffset", "endOffset", "characters"),
    ("start_pos", "end_pos", "characters"),  # flair
    ("BeginOffset", "EndOffset", "characters"),  # Amazon Comprehend
    ("offset", "length", "characters"),  # Azure, whose second number is a length
)
_TYPE_KEYS = (
    "type",
    "label",
    "labels",
    "hypertextlabels",
    "entity_type",
    "entity_group",
    "category",
    "tag",
    "entity",
    "Type",
)
_TEXT_KEYS = ("text", "Text", "word", "phrase", "mention", "surface", "surface_form", "entity_text", "span_text")
BRACKETS = re.compile(r"(\([A-Za-z][\w-]*)*(\*|\)|(?<=\w)\))\)*")
"""A tag of the shared tasks and OntoNotes that is part of a bracket: ``(PERSON*``, ``*``, ``*)``, ``(PERSON)``."""
BRACKETS_REMEDY = "These are brackets, as in OntoNotes: write (PERSON* as B-PERSON, * as I-PERSON within one, or else O"

_PLAIN_TAG = re.compile(r"O|[BIES]-[A-Za-z]\w*", re.ASCII)
_ALIASES = {"L-": "E-", "U-": "S-", "M-": "I-", "W-": "S-"}
_TAG, _LOWER_CASE = re.compile("[BIESLU][-_]."), re.compile("o|[biesluomw]-.+")
_SEVERAL = re.compile(r"[|,;:+#&/\\]([BIESLUMW]-\w|O$)")
_TRAILING = re.compile(r"[|,;:/\\]$")
_LOOKALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK"})


@dataclass(frozen=True, slots=True)
class Span:
    """A typed span of words or characters.

    Args:
        start: Index of the first one.
        end: Index one past the last one.
        type: The entity type.
        text: Its text according to the file, or ``None``.
        unit: Whether indices count words or characters, if the file specifies it.
        boxes: Its boxes in the image as in the file, or ``None``.
    """

    start: int
    end: int
    type: str
    text: str | None = None
    unit: Unit | None = None
    boxes: Any = None

    def __str__(self) -> str:
        """Format for messages: ``3-11 (LOC)``."""
        return f"{self.start}-{self.end} ({self.type})"


def read_tag(tag: str, line: Line) -> str:
    """Read a tag; invisible characters, which would result in lookalike types, are removed and noted.

    Tags of BILOU, BMES and BMEWO become those of BIOES.

    Raises:
        FormatError: If it is neither ``O`` nor a tag of BIO, BIOES or one of these, or consists of several tags.
    """
    if is_plain_tag(tag):
        return tag
    cleaned = _visible(tag, line)
    if _SEVERAL.search(cleaned):
        raise line.error(f"several tags of one word, {tag!r}", "Keep one of them: a word can have one tag")
    try:
        if cleaned[:2] in _ALIASES:
            line.note("the tags are read as BIOES: L- of BILOU as E-, M- of BMES as I-, U- and W- as S-", cleaned)
            cleaned = _ALIASES[cleaned[:2]] + cleaned[2:]
        split_tag(cleaned)
    except LabelError as error:
        raise line.error(
            f"the tag {tag!r}{_foreign(cleaned)}, where O or a tag such as B-PER was expected",
            _remedy(cleaned),
        ) from error
    return cleaned


@lru_cache(maxsize=1000)  # called per post, and a data set has few tags
def is_plain_tag(tag: str) -> bool:
    """Whether :func:`read_tag` returns a tag unchanged."""
    return _PLAIN_TAG.fullmatch(tag) is not None and tag[2:] != OUTSIDE


def read_spans(items: Iterable[Any], line: Line) -> list[Span]:
    """Read spans of any layout; those labelled ``O`` are not entities and are left out.

    Accepts ``{"start", "end", "type"}`` with all common synonyms, and ``[start, end, type]`` as in spaCy. Spans of
    single words whose types are tags of BIO, as AutoGluon has them, are joined.

    Args:
        items: The spans as decoded from JSON.
        line: Their line.

    Raises:
        FormatError: If one has another layout, or its type is a tag that does not continue an entity.
    """
    spans = [span for item in items if (span := _span(item, line)).type.upper() != OUTSIDE]
    if not any(map(_is_tag, (span.type for span in spans))):
        return spans
    return _joined(sorted(spans, key=lambda span: span.start), line)


def _is_tag(kind: str) -> bool:
    return _TAG.match(kind) is not None or (_TAG.match(kind.upper()) is not None and is_common_type(kind[2:]))


def _joined(spans: Iterable[Span], line: Line) -> list[Span]:
    """Join spans whose types are tags: one of ``B-`` and those of ``I-`` that follow it, with one space between them.

    Raises:
        FormatError: If a type is not a tag of BIO, or an ``I-`` follows no span of its type.
    """
    joined: list[Span] = []
    for span in spans:
        prefix, kind = span.type[:2], span.type[2:]
        last = joined[-1] if joined else None
        if prefix == "I-" and last is not None and last.type == kind and 0 <= span.start - last.end <= 1:
            joined[-1] = replace(last, end=span.end, text=_joined_text(last, span), boxes=last.boxes or span.boxes)
        elif prefix == "B-" and (last is None or span.start > last.end):
            joined.append(replace(span, type=kind))
        else:
            raise line.error(
                f"the span {span.start}-{span.end} has the tag {span.type!r}, where a type such as PER was expected",
                "Give one span per entity, with a type without B- and I-",
            )
    if joined:
        line.note("spans of words whose types are tags, B- and I-, are joined to entities")
    return joined


def _joined_text(first: Span, second: Span) -> str | None:
    if first.text is None or second.text is None:
        return None
    return f"{first.text}{' ' * (second.start - first.end)}{second.text}"


def check_spans(spans: Iterable[Span], length: int, unit: Unit, line: Line) -> list[Span]:
    """Sort spans, and reject those that cannot be the entities of one post.

    Args:
        spans: The spans.
        length: The number of words or characters of the post.
        unit: Which of the two.
        line: Their line.

    Raises:
        FormatError: If a span is outside of the post, is empty, or overlaps another.
    """
    ordered = sorted(spans, key=lambda span: (span.start, span.end))
    last = 0
    for span in ordered:
        if not 0 <= span.start < span.end <= length:
            raise line.error(
                f"the span {span} is not within the {length} {unit}",
                f"Count {unit} from 0, with the end exclusive",
            )
        if span.start < last:
            raise line.error(
                f"the span {span} overlaps the one before it", "Keep one of the two: a word can have one tag"
            )
        last = span.end
    return ordered


def _span(item: Any, line: Line) -> Span:
    start = end = kind = text = unit = boxes = None
    if isinstance(item, dict):
        start, end, unit = _bounds(item, line)
        kind, boxes = _kind(item, line), item.get("boxes", item.get("box"))
        text = next((item[key] for key in _TEXT_KEYS if isinstance(item.get(key), str)), None)
    elif isinstance(item, Sequence) and len(item) == 3:
        start, end, kind = item
    if isinstance(kind, list) and len(kind) > 1:
        raise line.error(f"the span {item!r} has {len(kind)} types", "Keep one of them: a word can have one tag")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    kind = kind.get("value") if isinstance(kind, dict) else kind  # flair's label with its confidence
    if {type(start), type(end), type(kind)} == {int}:
        raise line.error(f"the span {item!r:.120} has a number as its type", "Write the type's name, such as PER")
    kind = _visible(kind, line) if isinstance(kind, str) else None
    if type(start) is not int or type(end) is not int or not kind:
        raise line.error(
            f"{item!r:.200} is not an entity span",
            'Write {"start": 0, "end": 2, "type": "PER"} or [0, 2, "PER"]',
        )
    return Span(start, end, kind, text, unit, boxes)


def _kind(item: Mapping[str, Any], line: Line) -> Any:
    kinds = {key: item[key] for key in _TYPE_KEYS if item.get(key) not in (None, [])}
    if len(kinds) > 1:
        kinds.pop("entity", None)  # the words of the entity, or its tag
    first = next(iter(kinds.values()), None)
    if any(kind not in (first, [first]) and [kind] != first for kind in kinds.values()):
        named = " and ".join(f"{key} {kind!r}" for key, kind in kinds.items())
        raise line.error(f"a span with two types, {named}", "Keep the correct one")
    return first


def _bounds(item: Mapping[str, Any], line: Line) -> tuple[Any, Any, Unit | None]:
    found = [(item[start], _end(item, start, end), unit) for start, end, unit in _BOUNDS if {start, end} <= item.keys()]
    if any(each[:2] != found[0][:2] for each in found):
        named = " and ".join(f"{start!r}-{end!r}" for start, end, _ in found)
        raise line.error(f"a span with two bounds, {named}", "Keep the correct one")
    return found[-1] if found else (None, None, None)


def _end(item: Mapping[str, Any], start: str, end: str) -> Any:
    both = type(item[start]) is int and type(item[end]) is int
    return item[start] + item[end] if end == "length" and both else item[end]


def _remedy(tag: str) -> str:
    if _LOWER_CASE.fullmatch(tag):
        return "Write O and the prefixes in capitals, as in B-PER"
    return BRACKETS_REMEDY if BRACKETS.fullmatch(tag) else "Convert the tags to BIO, BIOES or BILOU"


def _visible(label: str, line: Line) -> str:
    """Normalise a tag or type; what is removed besides surrounding white space is noted."""
    kept = re.sub(r"^([BIES]-) +", r"\1", visible_name(label))
    if kept != label.strip(" \t"):
        line.note("invisible characters in tags and types were removed")
    if _TRAILING.search(kept):
        raise line.error(f"the tag or type {label!r}, which ends in a delimiter", "Delete what follows the type")
    if not kept.isascii() and (mixed := _mixed_scripts(kept)):
        raise line.error(
            f"the tag or type {label!r} mixes {mixed} letters, some of which look the same", "Write it in one script"
        )
    return kept


def _foreign(tag: str) -> str:
    """What is wrong with the prefix of a tag that looks like ``O`` or ``B-``."""
    letter = tag[:1]
    foreign = not letter.isascii() and tag[1:2] in ("", "-", "_")
    return f" (its first letter is {unicodedata.name(letter, 'unknown').lower()})" if foreign else ""


def _mixed_scripts(name: str) -> str:
    """The scripts of a word of a name, if there are several of those with the same letters; else the empty string."""
    for word in re.split(r"[\W_]+", name):
        scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in word} & _LOOKALIKE
        if len(scripts) > 1:
            return " and ".join(script.capitalize() for script in sorted(scripts))
    return ""

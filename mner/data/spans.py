"""Annotation as files hold it: tags, and spans in the shapes that annotation tools and libraries export."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mner.data.lines import Line
from mner.errors import LabelError
from mner.labels import split_tag

_TYPE_KEYS = ("type", "label", "labels", "entity_group", "entity", "tag")
_TEXT_KEYS = ("text", "word")


@dataclass(frozen=True, slots=True)
class Span:
    """A typed stretch of words or characters.

    Args:
        start: Where it begins.
        end: Where it ends, exclusive.
        type: The entity type.
        text: What the file says stands there, or ``None``.
    """

    start: int
    end: int
    type: str
    text: str | None = None


def check_tag(tag: str, line: Line) -> None:
    """Refuse a tag of another scheme.

    Raises:
        FormatError: If it is neither ``O`` nor a BIO or BIOES tag.
    """
    try:
        split_tag(tag)
    except LabelError as error:
        raise line.error(
            f"the tag {tag!r}, where O or a tag such as B-PER was expected",
            "Convert the tags to BIO or BIOES (from BILOU: rename L- to E- and U- to S-)",
        ) from error


def read_spans(items: Iterable[Any], length: int, unit: str, line: Line) -> list[Span]:
    """Read spans and put them in order.

    Takes ``{"start", "end", "type"}`` (the type may also be called ``label``, ``entity_group``, ``entity``, ``tag``, or
    be a list of one under ``labels``), and ``[start, end, type]`` as spaCy writes.

    Args:
        items: The spans as JSON gave them.
        length: The number of words or characters there are.
        unit: ``"words"`` or ``"characters"``, for messages.
        line: The line they stand in.

    Raises:
        FormatError: If a span is of another shape, lies outside, is empty, or overlaps another.
    """
    spans = sorted((_span(item, line) for item in items), key=lambda span: (span.start, span.end))
    last = 0
    for span in spans:
        if not 0 <= span.start < span.end <= length:
            raise line.error(
                f"the span {span.start}-{span.end} ({span.type}) does not lie within the {length} {unit}",
                f"Count {unit} from 0, with the end exclusive",
            )
        if span.start < last:
            raise line.error(
                f"the span {span.start}-{span.end} ({span.type}) overlaps the one before it",
                "Keep one of the two: a word can have one tag",
            )
        last = span.end
    return spans


def _span(item: Any, line: Line) -> Span:
    start = end = kind = text = None
    if isinstance(item, Mapping):
        start, end = item.get("start"), item.get("end")
        kind = next((item[key] for key in _TYPE_KEYS if key in item), None)
        kind = kind[0] if isinstance(kind, list) and len(kind) == 1 else kind
        text = next((item[key] for key in _TEXT_KEYS if isinstance(item.get(key), str)), None)
    elif isinstance(item, (list, tuple)) and len(item) == 3:
        start, end, kind = item
    if type(start) is not int or type(end) is not int or not isinstance(kind, str) or not kind:
        raise line.error(
            f"{item!r} is no entity span",
            'Write {"start": 0, "end": 2, "type": "PER"} or [0, 2, "PER"]',
        )
    return Span(start, end, kind, text)

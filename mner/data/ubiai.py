"""UBIAI's JSON: a text under ``document``, and its entities under ``tokens`` or ``annotation``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mner.data.lines import Line

_TYPES = ("entityLabel", "label")
_SPANS = ("tokens", "annotation")


def ubiai_document(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a document; its ``tokens`` are entities, each with character offsets and an ``entityLabel``.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If an entity has no type.
    """
    if not isinstance(value, dict) or not isinstance(value.get("document"), str):
        return None
    key = next((key for key in _SPANS if _are_spans(value.get(key))), None)
    if key is None or not value.keys().isdisjoint(("text", "words")):
        return None
    record = {name: item for name, item in value.items() if name not in (key, "document", "documentName")}
    name = value.get("documentName")
    return {
        **({} if name in (None, "") else {"id": name}),
        **record,
        "text": value["document"],
        "entities": [_span(item, line) for item in value[key]],
    }


def _are_spans(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and {"start", "end"} <= item.keys() for item in value)


def _span(item: Mapping[str, Any], line: Line) -> dict[str, Any]:
    kind = next((item[key] for key in _TYPES if item.get(key)), None)
    if kind is None:
        raise line.error(f"an entity of UBIAI without entityLabel: {item!r:.80}", "Give it one, or delete it")
    return {"start": item["start"], "end": item["end"], "type": kind, "text": item.get("text")}

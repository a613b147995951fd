"""UnCo's JSON (a format of Twitter-GMNER and FMNERG): ``gt_entities`` with inclusive ends, phrases and boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mner.data.fields import set_once
from mner.data.lines import Line

KEY = "gt_entities"


def unco_post(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a post with ``gt_entities``; its boxes become ``metadata["boxes"]``, as for GMNER.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If an entity is malformed.
    """
    if not isinstance(value, Mapping) or KEY not in value:
        return None
    record = {key: item for key, item in value.items() if key != KEY}
    if value[KEY] is None:
        return record
    try:
        spans = [_span(entity) for entity in value[KEY]]
        boxes = [{"name": entity.get("phrase"), "box": box} for entity in value[KEY] for box in _boxes(entity)]
    except (AttributeError, KeyError, TypeError) as error:
        raise line.error(
            f"{KEY} has an entity in a layout other than UnCo's ({error!r})",
            'Write {"start": 0, "end": 1, "entity_type": "PER", "phrase": "Ana Ruiz"}, the end inclusive',
        ) from error
    set_once(record, "entities", spans, line)
    if boxes:
        set_once(record, "boxes", boxes, line)
    return record


def _span(entity: Mapping[str, Any]) -> dict[str, Any]:
    start, end = entity["start"], entity["end"] + 1
    return {"start": start, "end": end, "type": entity["entity_type"], "text": entity.get("phrase")}


def _boxes(entity: Mapping[str, Any]) -> list[Any]:
    """Return the boxes of an entity: one, several or none."""
    boxes = entity.get("region_box") or []
    return boxes if not boxes or isinstance(boxes[0], list) else [boxes]

"""UnCo's JSON (a format of Twitter-GMNER and FMNERG): ``gt_entities`` with inclusive ends, phrases and boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mner.data.fields import set_once
from mner.data.lines import Line

KEY = "gt_entities"


def unco_post(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a post with ``gt_entities``; ``region_box`` becomes the boxes of a span.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If an entity is malformed.
    """
    if not isinstance(value, dict) or KEY not in value:
        return None
    record = {key: item for key, item in value.items() if key != KEY}
    if value[KEY] is None:
        return record
    try:
        spans = [_span(entity) for entity in value[KEY]]
    except (AttributeError, KeyError, TypeError) as error:
        raise line.error(
            f"{KEY} is {value[KEY]!r:.80}, which has an entity in a layout other than UnCo's",
            'Write {"start": 0, "end": 1, "entity_type": "PER", "phrase": "Ana Ruiz"}, the end inclusive',
        ) from error
    set_once(record, "entities", spans, line)
    return record


def _span(entity: Mapping[str, Any]) -> dict[str, Any]:
    start, end = entity["start"], entity["end"] + 1
    span = {"start": start, "end": end, "type": entity["entity_type"], "text": entity.get("phrase")}
    # Without the key it is unknown where the entity is; null is read as an empty list.
    return {**span, "boxes": entity["region_box"] or []} if "region_box" in entity else span

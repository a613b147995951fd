"""AutoGluon's column ``entity_annotations``: character spans, often as a string of JSON."""

from __future__ import annotations

from typing import Any

from mner.data.fields import set_once
from mner.data.lines import Line
from mner.data.literals import decoded

KEY = "entity_annotations"


def autogluon_row(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a row with ``entity_annotations``; its text is ``text`` or ``text_snippet``.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If the annotation is not a list, nor a string that contains one.
    """
    if not isinstance(value, dict) or KEY not in value:
        return None
    record = {key: item for key, item in value.items() if key not in (KEY, "text_snippet")}
    if "text_snippet" in value:
        set_once(record, "text", value["text_snippet"], line)
    spans = decoded(value[KEY])
    if spans is not None and not isinstance(spans, list):
        raise line.error(
            f"{KEY} is {spans!r:.60}, where a list was expected",
            'Write [{"entity_group": "PER", "start": 0, "end": 8}]',
        )
    set_once(record, "entities", spans, line)
    return record

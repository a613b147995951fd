"""spaCy's training examples: ``["text", {"entities": [[start, end, type], ...]}]``, in characters."""

from __future__ import annotations

from typing import Any

from mner.data.fields import set_once
from mner.data.lines import Line


def spacy_example(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a pair of a text and its annotation.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If the annotation has another text.
    """
    pair = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
    if pair and isinstance(value[1], dict):
        record = dict(value[1])
        set_once(record, "text", value[0], line)
        return record
    if pair and isinstance(value[1], list):
        return {"text": value[0], "entities": value[1]}
    return None

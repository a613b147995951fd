"""spaCy's training examples: ``["text", {"entities": [[start, end, type], ...]}]``, in characters."""

from __future__ import annotations

from typing import Any

from mner.data.lines import Line


def spacy_example(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a pair of a text and its annotation.

    Returns:
        The record, or ``None`` for another format.
    """
    pair = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
    if pair and isinstance(value[1], dict):
        return {"text": value[0], **value[1]}
    if pair and isinstance(value[1], list):
        return {"text": value[0], "entities": value[1]}
    return None

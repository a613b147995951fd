"""doccano's former export: the text under ``data``, and its spans under ``label``."""

from __future__ import annotations

from typing import Any

from mner.data.lines import Line


def doccano_example(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert an example with its text under ``data``, as doccano 1.4 and 1.5 write it.

    Returns:
        The record, or ``None`` for another format.
    """
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("data"), str)
        or not isinstance(value.get("label"), list)
    ):
        return None
    if not value.keys().isdisjoint(("text", "tokens", "words")):
        return None
    return {("text" if key == "data" else key): item for key, item in value.items()}

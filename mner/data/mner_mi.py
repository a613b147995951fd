"""MNER-MI: ``{"text": [words], "images": [files], "label": [tags]}``."""

from __future__ import annotations

from typing import Any

from mner.data.lines import Line


def mner_mi_post(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a post with its words under ``text``.

    Returns:
        The record, or ``None`` for another format.
    """
    if not isinstance(value, dict) or not isinstance(value.get("text"), list) or "tokens" in value:
        return None
    return {("tokens" if key == "text" else key): item for key, item in value.items()}

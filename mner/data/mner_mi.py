"""MNER-MI: ``{"text": [words], "images": [files], "label": [tags]}``."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any

from mner.data.lines import Line
from mner.data.literals import decoded


def mner_mi_post(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a post with its words under ``text``.

    Returns:
        The record, or ``None`` for another format.
    """
    if not isinstance(value, dict) or "tokens" in value:
        return None
    words = decoded(value.get("text"))  # a list as a string, as in the cell of a table
    if not isinstance(words, list):
        return None
    if words is not value["text"] and not _has_tag_per_word(value, words):
        return None
    return {("tokens" if key == "text" else key): item for key, item in value.items()}


def _has_tag_per_word(value: Mapping[str, Any], words: Sized) -> bool:
    tags = decoded(value.get("label"))
    return isinstance(tags, list) and len(tags) == len(words)

"""MNRE's lines: the words of a post, its image, and the relation between two of its mentions."""

from __future__ import annotations

import ast
from typing import Any

from mner.data.fields import add_metadata
from mner.data.lines import Line

_KEYS = {"token", "h", "t", "relation"}


def mnre_line(text: str) -> dict[str, Any] | None:
    """Decode a line of MNRE, which is a Python literal; ``None`` for anything else."""
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.keys() >= _KEYS else None


def mnre_relation(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a line of MNRE to a post without annotation.

    A line names two mentions of a post, not all of its entities, so that nothing can be trained or scored on it:
    mentions and relation become metadata, which is noted.

    Returns:
        The record, or ``None`` for another format.
    """
    if not isinstance(value, dict) or not value.keys() >= _KEYS:
        return None
    line.note("MNRE annotates two mentions of a post, not all of its entities: posts are read without annotation")
    pair = {"head": value["h"], "tail": value["t"], "relation": value["relation"]}
    rest = {key: item for key, item in value.items() if key not in _KEYS and key != "img_id"}
    record = {**rest, "tokens": value["token"]}
    add_metadata(record, {"mnre": pair}, line)
    return record | ({"image": value["img_id"]} if value.get("img_id") is not None else {})

"""MNER-MI: ``{"text": [words], "images": [files], "label": [tags]}``, posts with several images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mner.data.lines import Line


def mner_mi_post(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a post with a list of ``images``, of which the first is read, or with its words under ``text``.

    Returns:
        The record, with all image names in the metadata; ``None`` for another format.
    """
    if not isinstance(value, Mapping) or "tokens" in value or "words" in value:
        return None
    record, images = dict(value), value.get("images")
    if isinstance(value.get("text"), list):
        record["tokens"] = record.pop("text")
    if isinstance(images, list) and "image" not in value and "image_id" not in value and images:
        record["image"] = images[0]
        if len(images) > 1:
            line.note("of several images of a post only the first is used")
    return record if record.keys() != value.keys() else None

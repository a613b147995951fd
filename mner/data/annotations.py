"""Finding the annotation among the keys of a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mner.data.lines import Line
from mner.data.overlooked import is_twitter

TAG_KEYS = ("label", "labels", "tags", "ner_tags", "ner")
ANNOTATION_KEYS = (*TAG_KEYS, "entities", "spans", "ents", "annotations")


def find_annotation(record: Mapping[str, Any], line: Line) -> tuple[str, list[Any]] | None:
    """Find the annotation of a record and its key; ``None`` if the record has none.

    Raises:
        FormatError: If there are several, or one that is neither tags nor spans.
    """
    given = [key for key in ANNOTATION_KEYS if record.get(key) is not None and not is_twitter(record[key])]
    if len(given) > 1:
        raise line.error(f"annotations under {' and '.join(given)}", "Keep the correct one")
    if not given:
        return None
    key, value = given[0], record[given[0]]
    if not isinstance(value, list):
        raise line.error(
            f"{key} is not a list: {value!r:.60}",
            f"Give one tag per word, or a list of spans; if {key} does not annotate entities, move it into metadata",
        )
    if any(type(item) in (int, float) for item in value):
        raise line.error(
            f"{key} contains class indices: {value!r:.60}",
            "Write class names: with Hugging Face datasets, dataset.features[...].feature.int2str",
        )
    return key, value

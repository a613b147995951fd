"""GLiNER's training data: words under ``tokenized_text``, and spans with inclusive ends under ``ner``."""

from __future__ import annotations

from typing import Any

from mner.data.fields import set_once
from mner.data.lines import Line


def gliner_example(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert an example of GLiNER.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If a span is not ``[start, end, type]``.
    """
    if not isinstance(value, dict) or "tokenized_text" not in value:
        return None
    record = {key: item for key, item in value.items() if key not in ("tokenized_text", "ner")}
    set_once(record, "tokens", value["tokenized_text"], line)
    if value.get("ner") is not None:
        try:
            spans = [[start, end + 1, kind] for start, end, kind in value["ner"]]
        except (TypeError, ValueError) as error:
            raise line.error(
                f"ner is {value['ner']!r:.60}, where GLiNER has spans", 'Write "ner": [[0, 1, "PER"]], ends inclusive'
            ) from error
        set_once(record, "entities", spans, line)
    return record

"""GLiNER's training data: words under ``tokenized_text``, and spans with inclusive ends under ``ner``.

The ends of spans that are objects may be inclusive or exclusive, so that each must have its text, which proves it.
"""

from __future__ import annotations

from typing import Any

from mner.data.fields import set_once
from mner.data.lines import Line
from mner.data.literals import decoded


def gliner_example(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert an example of GLiNER.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If a span is neither ``[start, end, type]`` nor an object with its text.
    """
    if not isinstance(value, dict) or "tokenized_text" not in value:
        return None
    record = {key: item for key, item in value.items() if key not in ("tokenized_text", "ner")}
    set_once(record, "tokens", value["tokenized_text"], line)
    given = decoded(value.get("ner"))
    if given is not None:
        remedy = 'Write "ner": [[0, 1, "PER"]], ends inclusive'
        if isinstance(given, list) and given and all(isinstance(span, dict) for span in given):
            if not all(isinstance(span.get("text"), str) for span in given):
                raise line.error(
                    f"ner is {given!r:.60}: it is ambiguous whether the ends of these objects are inclusive",
                    f"{remedy}, or give each object its text",
                )
            spans = given
        else:
            try:
                spans = [[start, end + 1, kind] for start, end, kind in given]
            except (TypeError, ValueError) as error:
                raise line.error(f"ner is {given!r:.60}, where GLiNER has spans", remedy) from error
            words = record["tokens"] if isinstance(record["tokens"], list) else []
            if (outside := next((span for span in given if span[1] >= len(words)), None)) is not None:
                raise line.error(f"the span {outside!r:.60} ends after the last of {len(words)} words", remedy)
        set_once(record, "entities", spans, line)
    return record

"""Prodigy's tasks: a text, its tokens as objects, spans by characters, and the annotator's answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mner.data.lines import Line


def prodigy_task(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a task of Prodigy, or a document as written by spaCy's ``Doc.to_json``.

    A task whose answer is ``reject`` or ``ignore`` is a post without annotation: its spans are not gold.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If the tokens are malformed, or the answer is unknown.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("text"), str):
        return None
    tokens, text = value.get("tokens"), value["text"]
    objects = isinstance(tokens, list) and bool(tokens) and all(isinstance(token, Mapping) for token in tokens)
    if not objects and "_task_hash" not in value and "answer" not in value:
        return None
    record = dict(value)
    if isinstance(tokens, list) and (objects or not tokens):
        try:
            record["offsets"] = [[token["start"], token["end"]] for token in tokens]
            record["tokens"] = [token.get("text", text[token["start"] : token["end"]]) for token in tokens]
        except (KeyError, TypeError) as error:
            raise line.error(
                "tokens that are neither words nor those of Prodigy or spaCy", 'Write "tokens": ["St", "Louis"]'
            ) from error
        if not tokens:
            del record["tokens"], record["offsets"]
    key = next((name for name in ("spans", "ents") if record.get(name) is not None), None)
    if key is not None and isinstance(record[key], list):
        record["entities"] = [_span(span) for span in record.pop(key)]
    answer = record.get("answer", "accept")
    if answer in ("reject", "ignore"):
        line.note("posts whose annotation Prodigy's answer rejects or ignores are read as not annotated")
        record["entities"] = None
    elif answer != "accept":
        raise line.error(f"the answer {answer!r}", "Prodigy's answers are accept, reject and ignore")
    return record


def _span(span: Any) -> Any:
    """Mark a span as counting characters."""
    if not isinstance(span, Mapping) or "start" not in span or "end" not in span:
        return span
    rest = {key: item for key, item in span.items() if key not in ("start", "end")}
    return {**rest, "start_char": span["start"], "end_char": span["end"]}

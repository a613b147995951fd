"""Prodigy's tasks: a text, its tokens as objects, spans by characters, and the annotator's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mner.data.fields import add_metadata, set_once
from mner.data.lines import Line

MISSING = "spacy_missing"
"""Key of the words of a document of which spaCy's ``ents`` do not say whether they are in an entity."""
_CHARACTERS = {"start": "start_char", "end": "end_char"}


def prodigy_task(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a task of Prodigy, or a document as written by spaCy's ``Doc.to_json``.

    A task whose answer is ``reject`` or ``ignore`` is a post without annotation: its spans are not gold.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If the tokens are malformed, a span's tokens are not its characters, or the answer is unknown.
    """
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return None
    tokens, text = value.get("tokens"), value["text"]
    objects = tokens if isinstance(tokens, list) and all(isinstance(token, dict) for token in tokens) else []
    if not objects and "_task_hash" not in value and "answer" not in value:
        return None
    record = dict(value)
    if objects:
        try:
            record["offsets"] = [[token["start"], token["end"]] for token in objects]
            record["tokens"] = [token.get("text", text[token["start"] : token["end"]]) for token in objects]
        except (KeyError, TypeError) as error:
            raise line.error(
                "tokens that are neither words nor those of Prodigy or spaCy", 'Write "tokens": ["St", "Louis"]'
            ) from error
    elif tokens == []:
        del record["tokens"]
    if missing := record.pop(MISSING, None):
        line.doubt(
            "the document is annotated in part, and some words may or may not be in an entity",
            ", ".join(missing[:5]),
            "Annotate them, or say that they are in none: doc.set_ents(doc.ents, default='outside')",
        )
        record["ents"] = None
    _settle_span_groups(record, line)
    key = next((name for name in ("spans", "ents") if record.get(name) is not None), None)
    if key is not None and isinstance(record[key], list):
        spans = [_span(span, objects, line) for span in record.pop(key)]
        set_once(record, "entities", spans, line)
    answer = record.get("answer", "accept")
    if answer in ("reject", "ignore"):
        line.note("posts whose annotation Prodigy's answer rejects or ignores are read as not annotated")
        record["entities"] = None
    elif answer != "accept":
        raise line.error(f"the answer {answer!r}", "Prodigy's answers are accept, reject and ignore")
    return record


def _settle_span_groups(record: dict[str, Any], line: Line) -> None:
    """Read spaCy's only span group where there are no ``ents``; with them, the groups become metadata."""
    groups = record.get("spans")
    if not isinstance(groups, dict):
        return
    filled = {name: spans for name, spans in groups.items() if spans}
    if not record.get("ents") and len(filled) == 1:
        record["spans"] = next(iter(filled.values()))
        record.pop("ents", None)
    elif not filled or record.get("ents"):
        record["spans"] = None
        if filled:
            line.note("the entities are those of ents; the span groups of spans are kept as metadata")
            add_metadata(record, {"spans": groups}, line)
    else:
        one = next(iter(filled))
        raise line.error(
            f"{len(filled)} span groups of spaCy ({', '.join(filled)}), and no ents",
            f"Name the one to read: columns={{'spans': 'spans.{one}'}}, --columns spans=spans.{one}",
        )


def _span(span: Any, tokens: Sequence[Mapping[str, Any]], line: Line) -> Any:
    """Mark a span as counting characters; its tokens, of which the last is included, are compared with them."""
    if not isinstance(span, dict):
        return span
    record = {_CHARACTERS.get(key, key): item for key, item in span.items()}
    if tokens and "token_start" in span and "token_end" in span:
        first, last = span["token_start"], span["token_end"]
        if type(first) is not int or type(last) is not int or not 0 <= first <= last < len(tokens):
            raise line.error(f"the tokens {first!r}-{last!r} of a span, of {len(tokens)} tokens", "Correct the span")
        bounds = {"start_char": tokens[first]["start"], "end_char": tokens[last]["end"]}
        if any(record.setdefault(key, bound) != bound for key, bound in bounds.items()):
            raise line.error(
                f"a span from {span.get('start')!r} to {span.get('end')!r}, whose token_start {first} and token_end "
                f"{last} are the characters {bounds['start_char']} to {bounds['end_char']}",
                "Keep the correct bounds; token_end is the last token, not the one after it",
            )
    return record

"""JSON as the answer of a language model: its schema, and reading it, with repairs; nothing is ever executed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MAX_CHARACTERS = 50_000
"""Maximum length of an answer that is read: a longer one is none."""
MAX_STARTS = 50
"""Maximum number of brackets in an answer at which JSON is looked for."""
MAX_DEPTH = 20
"""Maximum depth of JSON that is repaired."""

_THINKING = re.compile(r"^.*?</think(?:ing)?>|<think(?:ing)?>.*?(?:</think(?:ing)?>|$)", re.DOTALL)
_FENCE = re.compile(r"^\s*```[\w-]*\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'(?=\s*[\]},:])|" + r"[{}\[\],:]|" + r"[^\s{}\[\],:\"']+|[\"']", re.DOTALL
)
_WORDS = {"True": "true", "False": "false", "None": "null", "true": "true", "false": "false", "null": "null"}
_CLOSING = {"{": "}", "[": "]"}


def answer_text(answer: str) -> str:
    """An answer without the thoughts that some models put before it, and without a fence around all of it."""
    text = _THINKING.sub("", answer[:MAX_CHARACTERS], count=1).strip()
    fenced = _FENCE.match(text)
    return (fenced[1] if fenced else text).strip()


def object_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object with exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def json_values(answer: str) -> Iterator[tuple[Any, bool]]:
    """Find the JSON objects and arrays in an answer, outermost ones only, in order.

    Text around them is skipped. Trailing commas, single quotes, Python's ``True`` and ``None``, and missing closing
    brackets are repaired; of an answer that was cut off, complete items are kept.

    Args:
        answer: The answer.

    Returns:
        Each value, and whether it was repaired.
    """
    text = answer_text(answer)
    decoder = json.JSONDecoder(strict=False)
    place = 0
    for _ in range(MAX_STARTS):
        start = min((at for at in (text.find("{", place), text.find("[", place)) if at >= 0), default=-1)
        if start < 0:
            return
        try:
            value, end = decoder.raw_decode(text, start)
            yield value, False
        except (ValueError, RecursionError):
            repaired, end = _repaired(text, start)
            try:
                yield json.loads(repaired, strict=False), True
            except (ValueError, RecursionError):
                end = start + 1 if repaired else end
        place = end


def _repaired(text: str, start: int) -> tuple[str, int]:
    """Rewrite the value that begins at a bracket as JSON; return it and where it ends."""
    parts: list[str] = []
    closing: list[str] = []  # of the brackets that are open
    complete, depth = 0, 0  # the parts up to the last complete item, and the number of brackets that are open there
    for match in _TOKEN.finditer(text, start):
        token = match[0]
        if token in "{[":
            closing.append(_CLOSING[token])
            if len(closing) > MAX_DEPTH:
                return "", match.end()
        elif token in "}]":
            if token != closing.pop():
                break
            if parts[-1] == ",":
                parts.pop()
        parts.append(token if token in "{}[]" else _scalar(token))
        if not closing:
            return "".join(parts), match.end()
        if token in "}][":
            complete, depth = len(parts), len(closing)
    return "".join([*parts[:complete], *reversed(closing[:depth])]), len(text)


def _scalar(token: str) -> str:
    if token in ",:" or token[0] == '"':
        return token
    if token[0] == "'" and len(token) > 1:
        return json.dumps(token[1:-1].replace("\\'", "'"))
    return _WORDS.get(token, token)

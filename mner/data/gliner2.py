"""GLiNER2's training data: a text under ``input``, and the words of its entities by type under ``output``."""

from __future__ import annotations

import re
from typing import Any

from mner.data.fields import add_metadata, set_once
from mner.data.lines import Line
from mner.word_tokenizers.characters import UNSPACED, combining_marks

_LETTER = rf"[^\W{UNSPACED}]"
_DESCRIPTIONS = "_descriptions"


def gliner2_example(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert an example of GLiNER2, whose entities have no position, by finding them in the text.

    An entity is found at every place where its words are, as whole words and outside a longer entity; if that is not
    one place per time that it is listed, it is noted. Other tasks of GLiNER2 become metadata.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If an entity is malformed, or its words are not in the text.
    """
    if not isinstance(value, dict) or not isinstance(value.get("input"), str):
        return None
    output = value.get("output")
    if not isinstance(output, dict):
        return None
    record = {key: item for key, item in value.items() if key not in ("input", "output")}
    set_once(record, "text", value["input"], line)
    for key, item in output.items():
        if key.endswith(_DESCRIPTIONS):  # of types, whose words may be those of the text
            add_metadata(record, {key: item}, line)
        elif key != "entities":
            set_once(record, key, item, line)
    if "entities" in output:
        set_once(record, "entities", _located(output["entities"], value["input"], line), line)
    return record


def _located(entities: Any, text: str, line: Line) -> list[dict[str, Any]]:
    listed = _listed(entities, line)
    taken = [False] * len(text)
    found = []
    for kind, surface in sorted(dict.fromkeys(listed), key=lambda each: -len(each[1])):
        places = [span for span in _occurrences(surface, text) if not any(taken[slice(*span)])]
        if not places:
            raise line.error(
                f"the entity {surface!r} ({kind}) is not in the text, as whole words outside a longer entity or one "
                "of another type",
                "Write it as in the text",
            )
        if len(places) != listed.count((kind, surface)):
            line.note("entities of GLiNER2 that occur several times in a text are read at every place", surface)
        for start, end in places:
            taken[start:end] = [True] * (end - start)
            found.append({"start": start, "end": end, "type": kind})
    return sorted(found, key=lambda span: span["start"])


def _occurrences(surface: str, text: str) -> list[tuple[int, int]]:
    """Where a surface form is in a text as whole words; in scripts without spaces, every character may be a word."""
    marks = f"[{combining_marks()}]"
    start = "" if re.match(f"[{UNSPACED}]", surface) else f"(?<!{_LETTER})"
    end = "" if re.search(f"[{UNSPACED}]{marks}*$", surface) else f"(?!{_LETTER})"
    pattern = re.compile(f"{start}{re.escape(surface)}{end}(?!{marks})", re.IGNORECASE)
    return [match.span() for match in pattern.finditer(text)]


def _listed(entities: Any, line: Line) -> list[tuple[str, str]]:
    if isinstance(entities, dict):
        items = [(kind, surfaces if isinstance(surfaces, list) else [surfaces]) for kind, surfaces in entities.items()]
        if all(isinstance(surface, str) and surface.strip() for _, surfaces in items for surface in surfaces):
            return [(kind, surface.strip()) for kind, surfaces in items for surface in surfaces]
    raise line.error(
        f"output.entities is {entities!r:.60}, where GLiNER2 has the words of entities by type",
        'Write "entities": {"person": ["Ana Ruiz"]}',
    )

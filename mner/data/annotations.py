"""Finding the annotation among the keys of a record."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from mner.data.extent import Extent
from mner.data.forms import are_classes, are_tags, is_annotation, is_tag, may_be_annotation, tags_in
from mner.data.lines import Line
from mner.data.literals import decoded, rows, words_of
from mner.data.overlooked import holds_annotation, is_twitter
from mner.labels import OUTSIDE
from mner.posts import are_strings

TAG_KEYS = ("label", "labels", "tags", "ner_tags", "ner")
ANNOTATION_KEYS = (*TAG_KEYS, "entities", "spans", "ents", "annotations")

_NUMBERS = frozenset({int, float})
_BOUNDS = frozenset({"start", "begin", "from", "offset", "offsets", "end", "stop", "to", "span", "range"})


def find_annotations(record: Mapping[str, Any], extent: Extent, line: Line) -> tuple[dict[str, list[Any]], set[str]]:
    """Find the annotations of a record, by the form of what its keys contain.

    A sentiment or topics under ``label`` or ``tags`` are not annotations; this is noted. Lists as strings, as in the
    cells of a table, are decoded.

    Args:
        record: The record.
        extent: The length of the post.
        line: Its line.

    Returns:
        Tags or spans by key: none for a post without annotation, several if they all have to be the same. An empty one
        is left out next to another. And the keys of which the values are something else.

    Raises:
        FormatError: If one is neither tags nor spans, or has class indices.
    """
    found: dict[str, list[Any]] = {}
    others: set[str] = set()
    for key in ANNOTATION_KEYS:
        if (given := record.get(key)) is None:
            continue
        value = rows(decoded(given))
        if isinstance(value, str) and are_tags(tags_in(value), extent):
            value = tags_in(value)
        if not _is_annotation(key, value, extent):
            others.add(key)
            if value and not is_twitter(value):
                line.note(f"{key} is kept as metadata: it is neither a tag per word nor spans")
            continue
        if not isinstance(value, list):
            raise line.error(
                f"{key} is not a list: {value!r:.60}",
                f"Give a tag per word, or a list of spans; if {key} does not annotate entities, move it into metadata",
            )
        if not _NUMBERS.isdisjoint(map(type, value)):
            raise line.error(
                f"{key} contains class indices: {value!r:.60}",
                "Write class names: with Hugging Face datasets, dataset.features[...].feature.int2str",
            )
        found[key] = value
    filled = {key: value for key, value in found.items() if value}
    return filled or dict(list(found.items())[:1]), others


def _is_annotation(key: str, value: Any, extent: Extent) -> bool:
    """Whether what is under a key of annotations is one, well-formed or not."""
    if not isinstance(value, list):
        return bool(value) and holds_annotation(key, value, extent)
    if not value:
        return key != "tags"  # which many programs write for topics
    per_word = key in TAG_KEYS and extent.words is not None and len(value) == len(extent.words)
    if are_strings(value):
        # In lower case, only where there is one per word or some are O: topics are called "e-commerce".
        named = {item.upper() for item in value} if per_word or "o" in value else {*value}
        signs = [item == OUTSIDE or is_tag(item) for item in named]
        return all(signs) or (per_word and (any(signs) or are_classes(value))) or is_annotation(value, extent)
    if all(type(item) in (int, float) for item in value):
        ignored = -100 in value  # of subwords that do not begin a word
        return ignored or "ner" in words_of(key) or (per_word and are_classes(value))
    if any(_is_span_like(item) for item in value) or may_be_annotation(value, extent) or is_annotation(value, extent):
        return True
    return per_word and None in value


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(bound) is int for bound in value)


def _is_span_like(item: Any) -> bool:
    """Whether an item has bounds of any kind, right or wrong."""
    if isinstance(item, dict):
        return any(words_of(name) & _BOUNDS or _is_pair(value) for name, value in item.items())
    if not isinstance(item, list):
        return False
    parts = chain.from_iterable(part if isinstance(part, list) else [part] for part in item)
    return any(isinstance(part, (int, float)) or (isinstance(part, str) and part.isdecimal()) for part in parts)

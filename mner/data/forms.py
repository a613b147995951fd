"""The form of a value, whatever its key: whether it can only be an annotation, or may be one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from mner.data.conll_layout import CHUNK_TYPES
from mner.data.extent import Extent
from mner.data.literals import by_index, rows, words_of
from mner.data.span_forms import (
    are_parallel,
    has_bounds,
    has_numbers,
    has_typed_surface,
    is_capitals,
    is_common_type,
    is_marked,
    is_place,
    is_span,
    is_typed,
    may_be_in_text,
)
from mner.labels import OUTSIDE

_TAG = re.compile(r"[BIESLU][-_].|[MW]-[^\W\d]|.+[-_][BIESLU]$")
_LOWER_CASE = re.compile(r"[bieslumw][-_].")
_LOOSE_TAG = re.compile(r"[BIESLUMW]([-_:.].+)?|.+[-_:.][BIESLUMW]")  # where there is one per word, some of them O
_CHUNK = re.compile(rf"[BIESLU][-_]({CHUNK_TYPES})")
_PIECES = re.compile(r"[\s,;|/\[\]()'\"]+")
_COLUMNS = re.compile(r".*\S[ \t]+(O|[BIESLUMW]-\S+)\s*")
_BLANK = frozenset({"", "_", "-", "0"})
"""What stands for ``O`` next to tags."""
_SURFACES = frozenset({"text", "word", "name", "phrase", "mention", "surface", "value", "entity"})
_MAX_TEXT = 100_000  # characters of a string that is searched


def tags_in(text: str) -> list[str]:
    """The tags in a string of nothing else, such as ``O B-LOC`` or ``['O', 'B-LOC']``; empty for any other string."""
    pieces = _pieces(text)
    return pieces if all(piece == OUTSIDE or is_tag(piece) for piece in pieces) else []


def is_tag(item: str) -> bool:
    """Whether a string is a tag of an entity in any scheme, also in those that are refused: ``PER-B``, ``b-per``."""
    return _TAG.match(item) is not None or (_LOWER_CASE.match(item) is not None and is_common_type(item[2:]))


def is_annotation(value: Any, extent: Extent) -> bool:
    """Whether a value can only be an annotation: tags, typed spans within the post, or words with their tags."""
    if isinstance(value, str):
        return len(value) <= _MAX_TEXT and _is_annotated_text(value, extent)
    listed = by_index(value)
    if isinstance(value, dict) and isinstance(listed, list) and OUTSIDE not in listed:
        listed += [None] * (max(extent.word_counts) - len(listed))
    value = rows({key: by_index(item) for key, item in listed.items()} if isinstance(listed, dict) else listed)
    if isinstance(value, dict):
        if any(words_of(key) >= {"ner"} and item and isinstance(item, str) for key, item in value.items()):
            return any(words_of(key) & _SURFACES for key in value)  # a token, as those of Stanza and CoreNLP
        tagged = value and all(isinstance(item, str) and is_tag(item) for item in value.values())
        by_tag = value and all(key == OUTSIDE or is_tag(key) for key in value) and _has_places(value, extent)
        by_word = bool(value) and all(map(extent.contains, value)) and (tagged or all(map(has_numbers, value.values())))
        return (
            bool(by_tag) or by_word or is_span(value, extent) or is_typed(value, extent) or are_parallel(value, extent)
        )
    items = [item for item in value if not _is_missing(item)] if isinstance(value, list) else []
    if not items:
        return False
    if all(isinstance(item, str) for item in items):
        tags = [OUTSIDE if _is_missing(item) or item in _BLANK else item for item in value]
        tags = items if {*tags} == {OUTSIDE} else tags  # blanks are not tags
        lines = len(items) > 1 and all(map(_COLUMNS.fullmatch, items))
        return (
            are_tags(tags, extent) or are_types(tags, extent) or lines or all(is_typed(item, extent) for item in items)
        )
    pairs = [_tags_of_word(item) for item in items]
    if all(pairs) and any(tag != OUTSIDE for tag in chain(*pairs)):
        return True
    if _are_words_with_types(items, extent) or all(is_span(item, extent) or is_typed(item, extent) for item in items):
        return True
    return has_numbers(items) and is_typed(items, extent)


def may_be_annotation(value: Any, extent: Extent) -> bool:
    """Whether a value is an annotation if its key is called like one: classes, bounds, or the words of entities."""
    if isinstance(value, str):
        pieces = value.split()
        return (
            are_tags(tags_in(value), extent)
            or may_be_in_text(value, extent)
            or (len(pieces) > 1 and all(map(str.isdecimal, pieces)) and _is_per_word(pieces, extent))
        )
    value = by_index(value)
    if isinstance(value, dict):
        named = [item for item in value.values() if isinstance(item, list) and item]
        types = [item for item in value.values() if isinstance(item, str)]
        return any(all(map(extent.contains, item)) for item in named) or (
            len(types) == len(value) > 0 and all(map(is_capitals, types)) and all(map(extent.contains, value))
        )
    if not isinstance(value, list) or not value:
        return False
    if _is_per_word(value, extent) and (are_classes(value) or all(map(_is_one_hot, value))):
        return True
    return any(has_bounds(item, extent) or has_typed_surface(item, extent) for item in value)


def are_tags(items: Sequence[str], extent: Extent) -> bool:
    """Whether strings are a tag per word; those of phrases, as ``B-NP``, are not of entities."""
    per_word = len(items) in extent.word_counts
    is_one = is_tag
    if len(items) > 1 and per_word:
        items = [item.upper() for item in items]
        is_one = _is_loose_tag if OUTSIDE in items else is_tag
    tags = [item for item in items if item != OUTSIDE]
    if not items or not all(map(is_one, tags)) or (tags and all(map(_CHUNK.fullmatch, tags))):
        return False
    return per_word or (bool(tags) and items.count(OUTSIDE) > 1)


def are_types(items: Sequence[str], extent: Extent) -> bool:
    """Whether strings are common types, one per word, and ``O`` for the others."""
    types = {item for item in items if item.upper() != OUTSIDE}
    return 0 < len(types) < len({*items}) and all(map(is_common_type, types)) and len(items) in extent.word_counts


def are_classes(items: Sequence[Any]) -> bool:
    """Whether items, of which each word has one, may be classes of words: indices, or types without ``B-``."""
    items = [item for item in items if not _is_missing(item)]
    if all(isinstance(item, bool) for item in items) or all(_is_index(item) for item in items):
        return True
    return all(isinstance(item, str) for item in items) and (
        OUTSIDE in items or "" in items or any(map(is_tag, items)) or all(map(is_capitals, items))
    )


def _is_annotated_text(text: str, extent: Extent) -> bool:
    pieces, lines = _pieces(text), [line for line in text.splitlines() if line.strip()]
    return (
        (len(pieces) > 1 and (are_tags(pieces, extent) or are_types(pieces, extent)))
        or (len(lines) > 1 and all(map(_COLUMNS.fullmatch, lines)))
        or is_marked(text)
        or is_typed(text, extent)
    )


def _pieces(text: str) -> list[str]:
    return [piece for piece in _PIECES.split(text) if piece]


def _is_loose_tag(item: str) -> bool:
    return _LOOSE_TAG.fullmatch(item) is not None


def _is_missing(item: Any) -> bool:
    """Whether an item is null, or NaN as pandas writes it."""
    return item is None or item != item


def _is_index(item: Any) -> bool:
    if isinstance(item, str):
        return item.isdecimal()
    return type(item) is int or (isinstance(item, float) and item.is_integer())


def _is_one_hot(item: Any) -> bool:
    return isinstance(item, list) and len(item) > 1 and item.count(1) == 1 and item.count(0) == len(item) - 1


def _is_per_word(items: Sequence[Any], extent: Extent) -> bool:
    return extent.words is not None and len(items) in extent.word_counts


def _has_places(value: Mapping[str, Any], extent: Extent) -> bool:
    """Whether values are words of the post, or lists of indices of words."""
    return any(
        is_place(item, extent) or (isinstance(item, list) and item and all(type(each) is int for each in item))
        for item in value.values()
    )


def _tags_of_word(item: Any) -> list[str]:
    """The tags in an item such as ``["Oslo", "B-LOC"]`` or ``{"text": "Oslo", "ner": "B-LOC"}``."""
    parts = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return [part for part in parts if isinstance(part, str) and (part == OUTSIDE or is_tag(part))]


def _are_words_with_types(items: Sequence[Any], extent: Extent) -> bool:
    """Whether items such as ``["Oslo", "LOC"]`` are the words of the post, some of them with the type ``O``."""
    if not all(isinstance(item, list) and len(item) == 2 and all(isinstance(x, str) for x in item) for item in items):
        return False
    return any(kind == OUTSIDE for _, kind in items) and extent.contains("".join(word for word, _ in items))

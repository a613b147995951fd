"""The forms of entities with a type: their bounds or words next to it, in objects, lists and strings.

A type is common if hardly anything but an entity has it, such as ``PER`` or ``location``. Next to a common type,
whatever can be the bounds or the words of an entity is taken for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mner.data.extent import Extent
from mner.data.literals import END, PAIR, START, decoded, is_named, words_of

_NAMES = "PERS?|PERSON|LOC|LOCATION|ORG|ORGANI[SZ]ATION|MISC|GPE|NORP|FAC"
_COMMON, _COMMON_CAPITALS = re.compile(f"(?:{_NAMES})S?", re.IGNORECASE), re.compile(_NAMES)
_CAPITALS = re.compile(r"[A-Z][A-Z0-9_-]*")
_TYPES = re.compile(r"types?|labels?|category|tag|entity|group|class|kind|ner|value|t")
_SURFACES = re.compile(r"texts?|words?|phrases?|mentions?|surfaces?|entity|entities")
_TITLES = re.compile(r"names?|values?")
_ENTITIES, _LISTS = re.compile(r"ner|named|entit(y|ies)|ents?|mentions?|spans?|gold"), re.compile(r"list|names?|texts?")
# Keys of an object that is not an entity: a word of a parser; a user, link, image or automatic annotation of Twitter.
_FOREIGN = frozenset({"pos", "lemma", "dep", "head", "morph"}) | frozenset(
    {"username", "screen_name", "expanded_url", "display_url", "media_url", "normalized_text"}
)
_ID, _LENGTH = re.compile("id"), re.compile("lengths?")

_BOUNDS = re.compile(r"\W*([0-9]{1,7})[\s,:.-]{1,3}([0-9]{1,7})\W*")
_OFFSETS_IN_TEXT = re.compile(r"\b\d+[\s,:-]+\d+[\s,:]+[A-Z]|\b[A-Z]\w*[\s,:]+\d+[\s,:-]+\d+\b")
_TYPED_BOUNDS = re.compile(
    rf"(?<![\w.-])(?:([0-9]+\W{{1,3}}[0-9]+)\W{{1,2}}(?:{_NAMES})|(?:{_NAMES})\W{{1,2}}([0-9]+\W{{1,3}}[0-9]+))(?![\w.-])"
)
_PIECES, _PARTS = re.compile(r"[;,|\n]"), re.compile(r"(?:[:/=|()<>\[\]]|->)+")
_TAGGED = re.compile(r"\S+[/_|\\(](O|[BIESLUMW]-\S+)\)?")
_MARKED = re.compile(
    rf"<([A-Z][A-Z_-]+|(?i:{_NAMES}))>[^<>]+</\1>|\[[^\[\]]+\]\([A-Z][A-Z_-]+\)|<START:\w+> "
    rf"|<(?:ENAMEX|\w{{1,20}} (?:type|label|class|category)=)[^<>]+>[^<>]+</"
    rf"|(?:\[|\{{\{{|\()(?:{_NAMES})[:\s]\s*[^\]\s]|\[[^\[\]|]+[|/\s](?:{_NAMES})\]|\[[^\[\]]+\](?:{_NAMES})\b"
)


def is_common_type(value: Any) -> bool:
    """Whether a value is a common type, in any case."""
    return isinstance(value, str) and _COMMON.fullmatch(value) is not None


def is_span(item: Any, extent: Extent) -> bool:
    """Whether an item has a type, and bounds within the post; words of a parser and links of Twitter do not count."""
    if isinstance(item, dict):
        return bool(_types(item)) and not _FOREIGN & item.keys() and _are_within(_bounds(item), extent)
    parts = list(_flat(item)) if isinstance(item, list) else []
    bounds = [part for part in parts if type(part) is int]
    strings = [part for part in parts if isinstance(part, str)]
    rest = len(parts) - len(bounds) - len(strings)
    return bool(strings) and rest == sum(isinstance(part, float) for part in parts) and _are_within(bounds, extent)


def is_typed(item: Any, extent: Extent) -> bool:
    """Whether an item has a common type, and next to it bounds or words of the post."""
    item = decoded(item)
    if isinstance(item, str):
        return _is_typed_text(item, extent)
    if isinstance(item, list):
        others = [part for part in item if not is_common_type(part) and not isinstance(part, float)]
        return len(others) < len(item) <= 6 and is_place(others, extent)
    if not isinstance(item, dict) or _FOREIGN & item.keys():
        return False
    if any(_has_typed_key(key, value, extent) for key, value in item.items()):
        return True
    types = [kind for kind in _types(item) if is_common_type(kind)]
    names = [_SURFACES]
    if any(map(str.isupper, types)):
        names.append(_TITLES)
        if _are_within([value for value in item.values() if type(value) is int], extent):
            return True
    elif any(_are_within(value, extent) for value in item.values()):  # which may be coordinates
        return False
    return bool(types) and any(
        is_place(value, extent)
        for key, value in item.items()
        if isinstance(value, (list, dict)) or is_named(words_of(key), *names)
    )


def is_place(value: Any, extent: Extent, depth: int = 4) -> bool:
    """Whether a value has bounds within the post or words of it, or contains nothing else, in lists and objects."""
    if not depth:
        return False
    if isinstance(value, str):
        return extent.contains(value) or _are_within(_bounds_in(value), extent)
    if isinstance(value, dict):
        places = [each for key, each in value.items() if is_named(words_of(key), _SURFACES)]
        by_surface = bool(value) and all(
            extent.contains(key) and is_place(each, extent, depth - 1) for key, each in value.items()
        )
        within = _are_within(_bounds(value), extent) or any(map(extent.contains, places))
        return by_surface or (within and not _FOREIGN & value.keys())
    if not isinstance(value, list):
        return False
    bounds, others = [item for item in value if type(item) is int], [item for item in value if type(item) is not int]
    others = [item for item in others if item is not None]
    return (
        (bool(others) or bool(bounds))
        and (not bounds or _are_within(bounds, extent))
        and all(is_place(item, extent, depth - 1) for item in others)
    )


def are_parallel(value: Any, extent: Extent) -> bool:
    """Whether an object has a list of common types, and one of as many bounds or words of the post."""
    lists = [item for item in value.values() if isinstance(item, list) and item] if isinstance(value, dict) else []
    lengths = {len(item) for item in lists if all(map(is_common_type, item))}
    return any(len(item) in lengths and all(is_place(each, extent) for each in item) for item in lists)


def is_marked(text: str) -> bool:
    """Whether a text has its entities marked, as ``<PER>Ana</PER>`` or ``[Ana](PER)``, or all words, as ``is/O``."""
    words = text.split()
    return _MARKED.search(text) is not None or (len(words) > 1 and all(map(_TAGGED.fullmatch, words)))


def may_be_in_text(text: str, extent: Extent) -> bool:
    """Whether a text has bounds or words of the post with something that may be a type, as ``Riga:LOC``."""
    if _OFFSETS_IN_TEXT.search(text):
        return True
    pieces = [piece for piece in _PIECES.split(text) if piece.strip()]
    spans = len(pieces) > 1 and all(is_place(piece, extent) for piece in pieces)
    return spans or any(_is_typed_surface(piece, extent, _CAPITALS) for piece in pieces)


def has_bounds(item: Any, extent: Extent) -> bool:
    """Whether an item has a bound by the name of a key, or consists of bounds within the post."""
    if isinstance(item, list):
        return _are_within(item, extent)
    if not isinstance(item, dict) or _FOREIGN & item.keys():
        return False
    return any(type(value) is int and is_named(words_of(key), START, END) for key, value in item.items())


def has_numbers(item: Any) -> bool:
    """Whether an item is a list with whole numbers in it, at any depth."""
    return isinstance(item, list) and any(type(part) is int for part in _flat(item))


def has_typed_surface(item: Any, extent: Extent) -> bool:
    """Whether an item is an entity's words and its type, in a list or an object."""
    if isinstance(item, list):
        return len(item) == 2 and all(isinstance(part, str) for part in item) and any(map(extent.contains, item))
    if not isinstance(item, dict) or _FOREIGN & item.keys():
        return False
    surfaces = [value for key, value in item.items() if is_named(words_of(key), _SURFACES, _TITLES)]
    return bool(_types(item)) and any(map(extent.contains, surfaces))


def is_capitals(value: str) -> bool:
    """Whether a value is written as types are: in capitals."""
    return _CAPITALS.fullmatch(value) is not None


def _types(item: Mapping[str, Any]) -> list[str]:
    return [kind for key, value in item.items() if is_named(words_of(key), _TYPES) for kind in _strings(value)]


def _has_typed_key(key: str, value: Any, extent: Extent) -> bool:
    """Whether a key is a common type of the place that is its value, or the other way round."""
    if is_common_type(value) and is_place(key, extent):
        return True
    words = words_of(key)
    of_entities = is_named(words, _ENTITIES)
    if not is_named(words, _COMMON) or not all(is_named({word}, _COMMON, _ENTITIES, _LISTS) for word in words):
        return False
    # A location may be that of a user, or two coordinates.
    is_clear = key.isupper() or of_entities or not (isinstance(value, str) or _are_within(value, extent))
    return is_clear and is_place(value, extent)


def _is_typed_text(text: str, extent: Extent) -> bool:
    spans = [before or after for before, after in _TYPED_BOUNDS.findall(text)]
    if spans and all(_are_within(_bounds_in(span), extent) for span in spans):
        rest = [part for part in re.split(r"[\s;|,]+", _TYPED_BOUNDS.sub(" ", text)) if re.search(r"\w", part)]
        return all(re.fullmatch(r"T\d+", part) or extent.contains(part) for part in rest)
    return any(_is_typed_surface(piece, extent, _COMMON_CAPITALS) for piece in [text, *_PIECES.split(text)])


def _is_typed_surface(piece: str, extent: Extent, types: re.Pattern[str]) -> bool:
    """Whether a string is an entity's words and its type, as ``Riga:LOC`` or ``Riga (LOC)``."""
    parts = [part.strip() for part in _PARTS.split(piece) if part.strip()]
    return len(parts) == 2 and any(map(extent.contains, parts)) and any(map(types.fullmatch, parts))


def _bounds_in(text: str) -> list[int]:
    found = _BOUNDS.fullmatch(text)
    return [int(found[1]), int(found[2])] if found else []


def _are_within(bounds: Any, extent: Extent) -> bool:
    if not isinstance(bounds, list) or len(bounds) != 2 or not all(type(bound) is int for bound in bounds):
        return False
    return bool(0 <= bounds[0] <= bounds[1] <= extent.limit)


def _bounds(item: Mapping[str, Any], depth: int = 2) -> list[int]:
    """The start and the end of a span, by the names of its keys; empty without both."""
    for key, value in item.items():
        pair = _bounds_in(value) if isinstance(value, str) else list(_flat(value)) if isinstance(value, list) else []
        if is_named(words_of(key), PAIR) and pair and all(type(bound) is int for bound in pair):
            return pair
        if depth and isinstance(value, dict) and (inner := _bounds(value, depth - 1)):
            return inner
    numbers = {key: _whole(value) for key, value in item.items()}
    named = {key: words_of(key) for key, number in numbers.items() if number is not None}
    starts = [numbers[key] for key, words in named.items() if is_named(words, START) and not is_named(words, END, _ID)]
    ends = [numbers[key] for key, words in named.items() if is_named(words, END) and not is_named(words, _ID)]
    lengths = [numbers[key] for key, words in named.items() if is_named(words, _LENGTH)]
    if not starts or not (ends or lengths):
        return []
    return [starts[0] or 0, (ends[0] if ends else (starts[0] or 0) + (lengths[0] or 0)) or 0]


def _whole(value: Any) -> int | None:
    """A whole number, also as a string or as pandas writes it, or ``None``."""
    if type(value) is int or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return int(value) if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 10 else None


def _strings(value: Any) -> Iterator[str]:
    """The strings in a value, in a list, or in an object that has them under ``value``."""
    for item in value if isinstance(value, list) else [value]:
        item = item.get("value") if isinstance(item, dict) else item
        if isinstance(item, str) and item:
            yield item


def _flat(value: Any) -> Iterator[Any]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack += reversed(item)
        else:
            yield item

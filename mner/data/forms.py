"""The form of a value, whatever its key: whether it can only be an annotation, or may be one."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from mner.labels import OUTSIDE
from mner.word_tokenizers import TweetTokenizer

TAG = re.compile(r"[BIESLU][-_].|.+[-_][BIESLU]$")
"""A tag of an entity in any scheme, also in those that are refused, such as ``PER-B``."""
_CHUNK = re.compile(r"[BIESLU][-_](NP|VP|PP|ADJP|ADVP|SBAR|PRT|CONJP|INTJ|LST|UCP)")
_CAPITALS = re.compile(r"[A-Z][A-Z0-9_-]*")
_PIECES = re.compile(r"[\s,;|\[\]()'\"]+")
_INLINE = re.compile(r"\S+[/_|\\](O|[BIESLU]-\S+)")
_MARKED = re.compile(r"<([A-Z][A-Z_-]+)>[^<>]+</\1>|\[[^\]]+\]\([A-Z][A-Z_-]+\)")
_ADJACENT, _QUOTED = re.compile(r"""['"]\s+['"]"""), re.compile(r"""'([^']*)'|"([^"]*)\"""")
_OTHER_ESCAPE = re.compile(r"\\(?!['\"\\nrtbfux/])")
_MAX_LITERAL = 100_000  # characters of a string that is parsed

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_STARTS, _ENDS = frozenset({"start", "begin", "from", "offset"}), frozenset({"end", "stop", "to"})
_PAIRS = frozenset({"span", "offsets", "range"})
_TYPES = frozenset({"type", "types", "label", "labels", "category", "tag", "entity", "group", "class", "kind", "ner"})
_SURFACES = frozenset({"text", "word", "name", "phrase", "mention", "surface", "value", "entity"})
# Keys of an object that is not an entity: a word of a parser; a user, link, image or automatic annotation of Twitter.
_FOREIGN = frozenset({"pos", "lemma", "dep", "head", "morph"}) | frozenset(
    {"username", "screen_name", "expanded_url", "display_url", "media_url", "normalized_text"}
)
_OFFSETS_IN_TEXT = re.compile(r"\b\d+[\s,:-]+\d+[\s,:]+[A-Z]|\b[A-Z]\w*[\s,:]+\d+[\s,:-]+\d+\b")


class Extent:
    """How many words and characters a post has, with which the length and bounds of an annotation are compared.

    Args:
        words: The words, or ``None`` where only the text is known.
        text: The raw text, if it is known.
    """

    def __init__(self, words: Sequence[str] | None, text: str | None) -> None:
        self.words, self.text = words, " ".join(words or ()) if text is None else text

    @cached_property
    def word_counts(self) -> frozenset[int]:
        """The number of words; of a raw text, the numbers that different tokenizers give."""
        if self.words is not None:
            return frozenset({len(self.words)})
        return frozenset({len(self.text.split()), len(TweetTokenizer().offsets(self.text))})

    @cached_property
    def limit(self) -> int:
        """What no offset exceeds, in whatever unit: the number of UTF-8 bytes, counted from 1."""
        return len(self.text.encode("utf-8", "surrogatepass")) + 1

    def contains(self, surface: object) -> bool:
        """Whether a value is a string that occurs in the text, regardless of case and spaces."""
        if not isinstance(surface, str) or not surface.strip():
            return False
        return "".join(surface.split()).casefold() in self._squeezed

    @cached_property
    def _squeezed(self) -> str:
        return "".join(self.text.split()).casefold()


def words_of(key: str) -> frozenset[str]:
    """The words of a key, in lower case: those of ``gold_tags`` and of ``goldTags`` are the same."""
    return frozenset(word.lower() for word in _WORDS.findall(key))


def decoded(value: Any) -> Any:
    """Decode a string that contains a list or an object, as JSON or as Python writes it; return all else unchanged.

    Example:
        >>> decoded("['O', 'B-LOC']"), decoded('[[0, 4, "LOC"]]'), decoded("[sic] fine")
        (['O', 'B-LOC'], [[0, 4, 'LOC']], '[sic] fine')
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{", "("):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    if len(value) > _MAX_LITERAL or _OTHER_ESCAPE.search(value):  # of which Python would warn
        return value
    try:
        literal = ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value
    # Python joins adjacent strings, so that the array ['O' 'B-LOC'], as NumPy prints it, would be one string.
    if isinstance(literal, list) and len(literal) == 1 and isinstance(literal[0], str) and _ADJACENT.search(value):
        return [single or double for single, double in _QUOTED.findall(value)]
    return _as_lists(literal) if isinstance(literal, (list, tuple, dict)) else value


def tags_in(text: str) -> list[str]:
    """The tags in a string of nothing else, such as ``O B-LOC`` or ``['O', 'B-LOC']``; empty for any other string."""
    pieces = [piece for piece in _PIECES.split(text) if piece]
    return pieces if pieces and all(piece == OUTSIDE or TAG.match(piece) for piece in pieces) else []


def rows(value: Any) -> Any:
    """Turn an object of lists, as ``datasets`` has for a sequence of objects, into a list of objects.

    Example:
        >>> rows({"start": [0, 12], "end": [8, 16]}), rows({"PER": ["Ana"]})
        ([{'start': 0, 'end': 8}, {'start': 12, 'end': 16}], {'PER': ['Ana']})
    """
    if not isinstance(value, Mapping) or not all(isinstance(item, list) for item in value.values()):
        return value
    names = frozenset[str]().union(*map(words_of, value))
    if not names & (_STARTS | _PAIRS) or len({len(item) for item in value.values()}) != 1:
        return value
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]


def is_annotation(value: Any, extent: Extent) -> bool:
    """Whether a value can only be an annotation: tags, typed spans within the post, or words with their tags."""
    if isinstance(value, str):
        tags, inline = tags_in(value), value.split()
        return (
            (len(tags) > 1 and are_tags(tags, extent))
            or (len(inline) > 1 and all(map(_INLINE.fullmatch, inline)))
            or _MARKED.search(value) is not None
        )
    value = rows(value)
    if isinstance(value, Mapping):
        if any(words_of(key) >= {"ner"} and item and isinstance(item, str) for key, item in value.items()):
            return any(words_of(key) & _SURFACES for key in value)  # a token, as those of Stanza and CoreNLP
        tagged = value and all(isinstance(item, str) and _is_tag(item) for item in value.values())
        return _is_span(value, extent) or bool(tagged and all(map(extent.contains, value)))
    if not isinstance(value, list) or not value:
        return False
    if all(isinstance(item, str) for item in value):
        return are_tags(value, extent)
    pairs = [_tags_of_word(item) for item in value]
    if all(pairs) and any(tag != OUTSIDE for tag in chain(*pairs)):
        return True
    return all(_is_span(item, extent) for item in value) or _are_words_with_types(value, extent)


def may_be_annotation(value: Any, extent: Extent) -> bool:
    """Whether a value is an annotation if its key is called like one: classes, bounds, or the words of entities."""
    if isinstance(value, str):
        pieces = re.split(r"[;,\n]", value)
        if are_tags(tags_in(value), extent) or _OFFSETS_IN_TEXT.search(value):
            return True
        return any(_is_typed_surface(piece, extent) for piece in pieces)
    if isinstance(value, Mapping):
        named = [item for item in value.values() if isinstance(item, list) and item]
        types = [item for item in value.values() if isinstance(item, str)]
        return any(all(map(extent.contains, item)) for item in named) or (
            len(types) == len(value) > 0 and all(map(_CAPITALS.fullmatch, types)) and all(map(extent.contains, value))
        )
    if not isinstance(value, list) or not value:
        return False
    if len(value) in extent.word_counts and extent.words is not None and are_classes(value):
        return True
    return any(_has_bounds(item) or _has_typed_surface(item, extent) for item in value)


def are_tags(items: Sequence[str], extent: Extent) -> bool:
    """Whether strings are a tag per word; those of phrases, as ``B-NP``, are not of entities."""
    if len(items) > 1 and len(items) in extent.word_counts:
        items = [item.upper() for item in items]
    tags = [item for item in items if item != OUTSIDE]
    if not items or not all(map(_is_tag, tags)) or (tags and all(map(_CHUNK.fullmatch, tags))):
        return False
    return len(items) in extent.word_counts or (bool(tags) and items.count(OUTSIDE) > 1)


def are_classes(items: Sequence[Any]) -> bool:
    """Whether items, of which each word has one, may be classes of words: indices, or types without ``B-``."""
    if all(type(item) is int for item in items):
        return True
    return all(isinstance(item, str) for item in items) and (
        OUTSIDE in items or any(map(_is_tag, items)) or all(map(_CAPITALS.fullmatch, items))
    )


def _is_tag(item: str) -> bool:
    return TAG.match(item) is not None


def _tags_of_word(item: Any) -> list[str]:
    """The tags in an item such as ``["Oslo", "B-LOC"]`` or ``{"text": "Oslo", "ner": "B-LOC"}``."""
    parts = item.values() if isinstance(item, Mapping) else item if isinstance(item, list) else ()
    return [part for part in parts if isinstance(part, str) and (part == OUTSIDE or _is_tag(part))]


def _are_words_with_types(items: Sequence[Any], extent: Extent) -> bool:
    """Whether items such as ``["Oslo", "LOC"]`` are the words of the post, some of them with the type ``O``."""
    if not all(isinstance(item, list) and len(item) == 2 and all(isinstance(x, str) for x in item) for item in items):
        return False
    return any(kind == OUTSIDE for _, kind in items) and extent.contains("".join(word for word, _ in items))


def _is_span(item: Any, extent: Extent) -> bool:
    """Whether an item has a type, and bounds within the post; words of a parser and links of Twitter do not count."""
    if isinstance(item, Mapping):
        typed = any(words_of(key) & _TYPES and _strings(value) for key, value in item.items())
        return typed and not _FOREIGN & item.keys() and _are_within(_bounds(item), extent)
    parts = list(_flat(item)) if isinstance(item, list) else []
    bounds = [part for part in parts if type(part) is int]
    strings = [part for part in parts if isinstance(part, str)]
    rest = len(parts) - len(bounds) - len(strings)
    return bool(strings) and rest == sum(isinstance(part, float) for part in parts) and _are_within(bounds, extent)


def _are_within(bounds: Sequence[int], extent: Extent) -> bool:
    return len(bounds) == 2 and 0 <= bounds[0] <= bounds[1] <= extent.limit


def _bounds(item: Mapping[str, Any]) -> list[int]:
    """The start and the end of a span, by the names of its keys; empty without both."""
    pairs = [list(_flat(value)) for key, value in item.items() if words_of(key) & _PAIRS and isinstance(value, list)]
    if pairs and all(type(bound) is int for bound in pairs[0]):
        return pairs[0]
    numbers = {key: _whole(value) for key, value in item.items()}
    named = {key: words_of(key) for key, number in numbers.items() if number is not None}
    starts = [numbers[key] for key, words in named.items() if words & _STARTS and not words & (_ENDS | {"id"})]
    ends = [numbers[key] for key, words in named.items() if words & _ENDS and "id" not in words]
    lengths = [numbers[key] for key, words in named.items() if "length" in words]
    if not starts or not (ends or lengths):
        return []
    return [starts[0] or 0, (ends[0] if ends else (starts[0] or 0) + (lengths[0] or 0)) or 0]


def _whole(value: Any) -> int | None:
    """A whole number, also as a string or as pandas writes it, or ``None``."""
    if type(value) is int or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return int(value) if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 10 else None


def _has_bounds(item: Any) -> bool:
    if not isinstance(item, Mapping) or _FOREIGN & item.keys():
        return False
    return any(type(value) is int and words_of(key) & (_STARTS | _ENDS) for key, value in item.items())


def _has_typed_surface(item: Any, extent: Extent) -> bool:
    """Whether an item is an entity's words and its type, in a list or an object."""
    if isinstance(item, list):
        return len(item) == 2 and all(isinstance(part, str) for part in item) and any(map(extent.contains, item))
    if not isinstance(item, Mapping) or _FOREIGN & item.keys():
        return False
    surfaces = [value for key, value in item.items() if words_of(key) & _SURFACES]
    types = [value for key, value in item.items() if words_of(key) & _TYPES and isinstance(value, str)]
    return bool(types) and any(map(extent.contains, surfaces))


def _is_typed_surface(piece: str, extent: Extent) -> bool:
    """Whether a string is an entity's words and its type, as ``Riga:LOC`` or ``Riga (LOC)``."""
    parts = [part.strip() for part in re.split(r"[:/=|()<>\[\]]+|->", piece) if part.strip()]
    return len(parts) == 2 and any(map(extent.contains, parts)) and any(map(_CAPITALS.fullmatch, parts))


def _strings(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str) and item]


def _flat(value: Any) -> Iterator[Any]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack += reversed(item)
        else:
            yield item


def _as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _as_lists(item) for key, item in value.items()}
    return [_as_lists(item) for item in value] if isinstance(value, (list, tuple)) else value

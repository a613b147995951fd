"""Lists and objects, whatever their notation: as strings, as objects by index, or as parallel lists."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from typing import Any

START = re.compile(r"starts?|begins?|(start|begin)(idx|index|pos|offset|char)|from|offsets?|first")
END = re.compile(r"ends?|end(idx|index|pos|offset|char)|stops?|to|last")
"""Words of the keys of the start and of the end of a span."""
PAIR = re.compile(r"spans?|offsets?|range|indices|indexes|tokens")
"""Words of the keys of both bounds of a span in one list."""

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_ADJACENT, _QUOTED = re.compile(r"""['"]\s+['"]"""), re.compile(r"""'([^']*)'|"([^"]*)\"""")
_NUMBERS = re.compile(r"\[\s*-?[0-9]+(?:\s+-?[0-9]+)+\s*\]")
"""An array of whole numbers, as NumPy prints it."""
_OTHER_ESCAPE = re.compile(r"\\(?!['\"\\nrtbfux/])")
_MAX_LITERAL = 100_000  # characters of a string that is parsed


def words_of(key: str) -> frozenset[str]:
    """The words of a key, in lower case: those of ``gold_tags`` and of ``goldTags`` are the same."""
    return frozenset(word.lower() for word in _WORDS.findall(key))


def is_named(words: Iterable[str], *patterns: re.Pattern[str]) -> bool:
    """Whether one of the words of a key matches one of the patterns."""
    return any(pattern.fullmatch(word) for word in words for pattern in patterns)


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
    if len(value) <= _MAX_LITERAL and _NUMBERS.fullmatch(value.strip()):
        return [int(number) for number in value.strip("[] \n").split()]
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


def rows(value: Any) -> Any:
    """Turn an object of lists, as ``datasets`` has for a sequence of objects, into a list of objects.

    Example:
        >>> rows({"start": [0, 12], "end": [8, 16]}), rows({"PER": ["Ana"]})
        ([{'start': 0, 'end': 8}, {'start': 12, 'end': 16}], {'PER': ['Ana']})
    """
    if not isinstance(value, dict) or not all(isinstance(item, list) for item in value.values()):
        return value
    names = frozenset[str]().union(*map(words_of, value))
    if not is_named(names, START, PAIR) or len({len(item) for item in value.values()}) != 1:
        return value
    return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]


def by_index(value: Any) -> Any:
    """Turn an object with indices for keys, as pandas has for a column, into a list; what is missing is ``None``.

    Example:
        >>> by_index({"0": "B-PER", "2": "O"}), by_index({"2016": "won"})
        (['B-PER', None, 'O'], {'2016': 'won'})
    """
    if not isinstance(value, dict) or not value or not all(re.fullmatch(r"[0-9]{1,6}", str(key)) for key in value):
        return value
    items = {int(key): item for key, item in value.items()}
    length = max(items) + 1
    return [items.get(index) for index in range(length)] if length <= 10 * len(items) + 10 else value


def _as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _as_lists(item) for key, item in value.items()}
    return [_as_lists(item) for item in value] if isinstance(value, (list, tuple)) else value

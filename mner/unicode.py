"""The library's policy on surrogates: surrogate pairs are joined, and a lone surrogate becomes U+FFFD.

A program that cuts a text at a fixed number of UTF-16 units leaves half of an emoji behind. No UTF-8 file can hold one
and no tokenizer accepts one, so every reader and writer repairs them here, counts them and reports the count once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE = re.compile("[\ud800-\udfff]")

Value = TypeVar("Value")


def repair_surrogates(value: Value) -> tuple[Value, int]:
    r"""Repair the surrogates in a text, or in every text of a nested value.

    Args:
        value: A string, or lists, tuples and mappings of them as JSON has; anything else is returned as it is.

    Returns:
        The repaired value (the same object if there was nothing to repair), and the number of replaced surrogates.

    Example:
        >>> repair_surrogates({"text": "Oslo \ud83d", "n": 1})
        ({'text': 'Oslo �', 'n': 1}, 1)
        >>> repair_surrogates("Oslo \ud83d\ude00")
        ('Oslo 😀', 0)
    """
    halves: list[str] = []
    repaired = _repair(value, halves)
    return (value if repaired == value else repaired), len(halves)  # type: ignore[return-value]


def _repair(value: object, halves: list[str]) -> object:
    if isinstance(value, str):
        if _LONE.search(value) is None:
            return value
        joined = _PAIR.sub(lambda pair: pair.group().encode("utf-16", "surrogatepass").decode("utf-16"), value)
        halves += _LONE.findall(joined)
        return _LONE.sub(REPLACEMENT, joined)
    if isinstance(value, Mapping):
        return {_repair(key, halves): _repair(item, halves) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_repair(item, halves) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value

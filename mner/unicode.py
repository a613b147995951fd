"""The library's policy on surrogates, and on invisible characters in names.

A program that cuts a text at a fixed number of UTF-16 units leaves half of an emoji behind. UTF-8 cannot encode one and
no tokenizer accepts one, so every reader and writer repairs them here, counts them and reports the count once: a pair
is joined, and a lone surrogate becomes U+FFFD. Invisible characters in a tag or type would make a second type that
looks like the first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import TypeVar

from mner.errors import DataError

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE = re.compile("[\ud800-\udfff]")
_BLANKS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letters and marks without a glyph

Value = TypeVar("Value")


def repair_surrogates(value: Value) -> tuple[Value, int]:
    r"""Repair the surrogates in a text, or in every text of a nested value.

    Args:
        value: A string, or lists, tuples and mappings of them as JSON has; anything else is returned unchanged.

    Returns:
        The repaired value (the same object if there was nothing to repair), and the number of replaced surrogates.

    Raises:
        DataError: If two keys of a mapping would become the same, so that one of their values would be lost, or if the
            value is nested too deeply.

    Example:
        >>> repair_surrogates({"text": "Oslo \ud83d", "n": 1})
        ({'text': 'Oslo �', 'n': 1}, 1)
        >>> repair_surrogates("Oslo \ud83d\ude00")
        ('Oslo 😀', 0)
    """
    halves: list[str] = []
    try:
        repaired = _repair(value, halves)
    except RecursionError as error:
        raise DataError("the value is nested too deeply") from error
    return (value if repaired == value else repaired), len(halves)  # type: ignore[return-value]


def visible_name(name: str) -> str:
    r"""Return a tag or type in its canonical form: composed, without invisible characters and surrounding white space.

    Example:
        >>> visible_name("PER\u200b "), visible_name("work of\u00a0art")
        ('PER', 'work of art')
    """
    if name.isascii() and name.isprintable():
        return name.strip()
    kept = "".join(" " if character.isspace() else character for character in name if not _is_hidden(character))
    return unicodedata.normalize("NFC", kept).strip()


def _is_hidden(character: str) -> bool:
    if character.isspace():
        return False
    return unicodedata.category(character) in ("Cc", "Cf") or "\ufe00" <= character <= "\ufe0f" or character in _BLANKS


def _repair(value: object, halves: list[str]) -> object:
    if isinstance(value, str):
        if _LONE.search(value) is None:
            return value
        joined = _PAIR.sub(lambda pair: pair.group().encode("utf-16", "surrogatepass").decode("utf-16"), value)
        halves += _LONE.findall(joined)
        return _LONE.sub(REPLACEMENT, joined)
    if isinstance(value, Mapping):
        repaired = {_repair(key, halves): _repair(item, halves) for key, item in value.items()}
        if len(repaired) < len(value):
            raise DataError(f"keys that differ only in surrogates, among {', '.join(map(repr, value)):.80}")
        return repaired
    if isinstance(value, (list, tuple)):
        items = [_repair(item, halves) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value

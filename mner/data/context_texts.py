"""What is a text about an image, and what only stands for a missing one."""

from __future__ import annotations

import math
from typing import Any

UNKNOWN_WORD = "<unk>"
"""What captioners with a small vocabulary write for a word; a tokenizer would make subwords of noise of it."""
NO_TEXT = frozenset({"none", "null", "nan"})
"""What programs write for a missing value; case does not matter."""


def context_text(value: Any) -> str | None:
    """Clean a text about an image.

    Args:
        value: A text, a list of texts, which are joined with commas, or a missing value.

    Returns:
        The text without ``<unk>``. It is empty if there is none: for null, NaN, nothing but spaces or ``<unk>``, and
        the words ``None``, ``null`` and ``nan``. ``None`` if the value cannot be a text.

    Example:
        >>> context_text("a <unk> dog"), context_text(["dog", "ball"]), context_text(None), context_text("nan")
        ('a dog', 'dog, ball', '', '')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ", ".join(filter(None, map(context_text, value)))
    if not isinstance(value, str):
        return None
    words = value.split(" ")
    text = " ".join(word for word in words if word and word != UNKNOWN_WORD) if UNKNOWN_WORD in words else value
    return "" if not text.strip() or text.strip().casefold() in NO_TEXT else text

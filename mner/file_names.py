"""File names derived from ids and names in data: valid on every system and distinct."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_BYTES = 100
"""Length of a name without its number and suffix; most file systems allow 255 in total."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def file_names(names: Iterable[str]) -> list[str]:
    """Turn names into file names without a suffix.

    Anything but a letter, digit, ``.``, ``_`` or ``-`` becomes ``_``. Names that would then collide, also on a file
    system that ignores case or Unicode normalisation, are numbered.

    Args:
        names: Any strings.

    Returns:
        The file names, in the order of ``names``.

    Example:
        >>> file_names(["a/b", "a b", "A_B", "a_b_2", "", ".."])
        ['a_b', 'a_b_2', 'A_B_3', 'a_b_2_2', '_', '__2']
    """
    taken: set[str] = set()
    result = []
    for name in names:
        stem = candidate = _stem(name)
        number = 1
        while _folded(candidate) in taken:
            number += 1
            candidate = f"{stem}_{number}"
        taken.add(_folded(candidate))
        result.append(candidate)
    return result


def _stem(name: str) -> str:
    stem = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name))
    stem = stem.encode("utf-8", "replace")[:MAX_BYTES].decode("utf-8", "ignore").strip(". ") or "_"
    return f"_{stem}" if _RESERVED.fullmatch(stem) or stem.startswith("-") else stem


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()

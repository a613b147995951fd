"""Values of Python libraries, such as NumPy and pandas, as the plain values that JSON has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from mner.errors import DataError

_PLAIN = frozenset({str, int, bool, type(None)})


def plain(value: Any) -> Any:
    """Convert a value, at any depth, to strings, numbers, booleans, ``None``, lists and dicts.

    Arrays become lists, dates become texts in ISO 8601, and missing values (NaN, ``NaT``, ``pandas.NA``) ``None``.

    Args:
        value: Any value.

    Raises:
        DataError: If it is something else, such as an object of a class of your own.

    Example:
        >>> import datetime, numpy
        >>> plain({"scores": numpy.array([1, 2]), "day": datetime.date(2026, 11, 26), "likes": float("nan")})
        {'scores': [1, 2], 'day': '2026-11-26', 'likes': None}
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return str(value)
    if type(value) is float:
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value) if _PLAIN.issuperset(map(type, value)) else [plain(item) for item in value]
    if isinstance(value, PurePath):
        return value.as_posix()
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    for convert in ("isoformat", "tolist"):  # of dates; of arrays, scalars and tensors
        if callable(method := getattr(value, convert, None)):
            return plain(method())
    raise DataError(f"a {type(value).__name__}, which is not plain JSON: {value!r:.60}; leave it out, or convert it")

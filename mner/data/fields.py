"""Fields of a record that several keys may give, but only with one value, and its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mner.data.lines import Line
from mner.data.literals import decoded
from mner.data.plain import plain


def set_once(fields: dict[str, Any], name: str, value: Any, line: Line) -> None:
    """Set a field, unless it already has the same value.

    Raises:
        FormatError: If it has another value, which would be lost.
    """
    if fields.get(name) is not None and fields[name] != value:
        raise line.error(f"two values of {name}: {fields[name]!r:.60} and {value!r:.60}", "Keep the correct one")
    fields[name] = value


def whole(value: Any) -> Any:
    """Return a whole number as an integer; pandas has floats in a column of integers of which some are missing."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def object_of(record: Mapping[str, Any], key: str, line: Line) -> dict[str, Any]:
    """Return a copy of the object under a key, empty if there is none; in a table it may be a string of JSON.

    Raises:
        FormatError: If it is something else.
    """
    value = decoded(record.get(key))
    if isinstance(value, Mapping):
        return dict(value)
    if plain(value) is not None:
        raise line.error(f"{key} is {value!r:.60}, where an object was expected", f'Write "{key}": {{...}}')
    return {}


def add_metadata(record: dict[str, Any], items: Mapping[str, Any], line: Line) -> None:
    """Add items to the metadata of a record.

    Raises:
        FormatError: If its metadata are not an object, or have another value of one of the items.
    """
    metadata = object_of(record, "metadata", line)
    for name, value in items.items():
        set_once(metadata, name, value, line)
    record["metadata"] = metadata

"""Fields of a record that several keys may give, but only with one value."""

from __future__ import annotations

from typing import Any

from mner.data.lines import Line


def set_once(fields: dict[str, Any], name: str, value: Any, line: Line) -> None:
    """Set a field, unless it already has the same value.

    Raises:
        FormatError: If it has another value, which would be lost.
    """
    if fields.get(name) is not None and fields[name] != value:
        raise line.error(f"two values of {name}: {fields[name]!r:.60} and {value!r:.60}", "Keep the correct one")
    fields[name] = value

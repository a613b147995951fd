"""Columns of a table, or keys of JSON, with names other than mner's: ``{"text": "tweet", "image": "photo"}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import getitem
from typing import Any

from mner.argument_types import check_type
from mner.data.fields import add_metadata
from mner.data.lines import Line
from mner.errors import ConfigurationError

Columns = Mapping[str, str]
"""The name of a column by mner's key for what it contains; ``a.b`` is the key ``b`` of the objects under ``a``."""

COLUMNS_HELP = "Columns of a table, or keys of JSON, with other names than mner's: text=tweet image=photo."
"""What commands say about their option."""

KEYS = (
    "id", "text", "tokens", "words", "offsets", "image", "image_id", "images", "caption", "label", "labels", "tags",
    "ner_tags", "entities", "spans", "character_spans", "entity_boxes", "contexts", "metadata",
)  # fmt: skip


def parse_columns(pairs: list[str] | None) -> Columns | None:
    """Read ``["text=tweet", "image=photo"]``, as the option ``--columns`` has it.

    Raises:
        ConfigurationError: If a pair has no ``=``, or its key is unknown or repeated.
    """
    if pairs is None:
        return None
    columns: dict[str, str] = {}
    for pair in pairs:
        key, equals, column = pair.partition("=")
        if not equals or not column or key in columns:
            raise ConfigurationError(f"expected columns such as text=tweet image=photo, each key once, got {pair!r}")
        columns[key] = column
    check_columns(columns)
    return columns


def check_columns(columns: Columns | None) -> None:
    """Reject keys that no record has, and names that are not strings.

    Raises:
        ConfigurationError: Names the key and those there are, or the name.
    """
    check_type("columns", columns, Mapping | None)
    for key, column in (columns or {}).items():
        if key not in KEYS:
            raise ConfigurationError(f"expected keys of columns among {', '.join(KEYS)}, got {key!r}")
        if not isinstance(column, str):
            raise ConfigurationError(f"expected the name of the column for {key} as a string, got {column!r:.60}")


def rename(record: Mapping[str, Any], columns: Columns | None, line: Line) -> dict[str, Any]:
    """Give the columns of a record mner's names.

    A column that already has such a name, but is not meant, is kept in the metadata.

    Raises:
        FormatError: If a column is missing, and names those there are; or if the metadata are not an object.
    """
    renamed, given = dict(record), {}
    for key, column in (columns or {}).items():
        path = [column] if column in record else column.split(".")
        try:
            given[key] = reduce(getitem, path, record)
        except (KeyError, TypeError, IndexError) as error:
            raise line.error(
                f"no column {column!r} (there are {', '.join(map(str, record)) or 'none'})", "Correct columns"
            ) from error
        renamed = _without(renamed, path)
    replaced = {key: renamed.pop(key) for key in given if key in renamed}
    renamed |= given
    if replaced:
        add_metadata(renamed, replaced, line)
    return renamed


def _without(record: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Leave out a key, and objects in which it was the only one; the record itself is not changed."""
    first, *rest = path
    inner = _without(record[first], rest) if rest and first in record else {}
    return {key: inner if key == first else value for key, value in record.items() if key != first or inner}

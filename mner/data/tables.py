"""Tables in memory, row by row: pandas data frames, Arrow tables, and data sets of Hugging Face ``datasets``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from mner.errors import DataError

Table = Any
"""A ``pandas.DataFrame``, ``pyarrow.Table`` or ``datasets.Dataset``, none of which is imported here."""

BATCH = 200
"""Rows that are converted together; they may contain images."""
_FEATURES = b"huggingface"
"""Where ``datasets`` stores the types of its columns, in the schema of an Arrow table or a Parquet file."""


def is_table(value: object) -> bool:
    """Whether a value is a table of one of these kinds."""
    return type(value).__module__.partition(".")[0] in ("pandas", "pyarrow", "datasets")


def rows_of(table: Table) -> Iterator[dict[str, Any]]:
    """Return the rows of a table; class indices of ``datasets`` become class names.

    Raises:
        DataError: If it has two columns of one name, is a data set of several splits, or is not a table.
    """
    if isinstance(table, Mapping):
        raise DataError(
            f"a data set of the splits {', '.join(map(str, table))}; give one, such as dataset[{next(iter(table))!r}]"
        )
    if hasattr(table, "itertuples"):
        if table.columns.nlevels > 1:
            raise DataError(
                f"a table with {table.columns.nlevels} levels of column names; give them one: "
                "table.columns = ['_'.join(filter(None, names)) for names in table.columns]"
            )
        # An index with a name is a column, as pandas writes it to files.
        if levels := [name for name in table.index.names if name is not None and name not in table.columns]:
            table = table.reset_index(levels)
        names = [str(name) for name in table.columns]
        _check_names(names)
        return (dict(zip(names, row, strict=True)) for row in table.itertuples(index=False, name=None))
    if hasattr(table, "to_batches"):
        return arrow_rows(table.to_batches(max_chunksize=BATCH), table.schema)
    if hasattr(table, "with_format"):
        features = {} if table.features is None else table.features.to_dict()
        batches = table.with_format("arrow").iter(batch_size=BATCH)
        return (named for batch in batches for row in batch.to_pylist() for named in [with_class_names(row, features)])
    raise DataError(f"expected a table, got a {type(table).__name__}; give a DataFrame, an Arrow table or a Dataset")


def arrow_rows(batches: Iterable[Any], schema: Any) -> Iterator[dict[str, Any]]:
    """Return the rows of Arrow record batches.

    Args:
        batches: The batches.
        schema: Their ``pyarrow.Schema``, whose metadata have the class names if ``datasets`` wrote the table.

    Raises:
        DataError: If two columns have one name.
    """
    _check_names(schema.names)
    try:
        features = json.loads((schema.metadata or {}).get(_FEATURES, b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        features = {}
    rows = (row for batch in batches for row in batch.to_pylist())
    return (with_class_names(row, features) for row in rows) if features else rows


def with_class_names(row: dict[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
    """Replace class indices in a row by the names of the classes.

    Args:
        row: The row.
        features: The types of the columns, as ``datasets.Features.to_dict()`` returns them.
    """
    namers = {name: _namer(feature) for name, feature in features.items() if name in row}
    return row | {name: namer(row[name]) for name, namer in namers.items() if namer is not None}


def _namer(feature: Any) -> Callable[[Any], Any] | None:
    """A function from a value with class indices to one with names; ``None`` if the type has none."""
    if isinstance(feature, list) and len(feature) == 1:
        feature = {"feature": feature[0]}
    if not isinstance(feature, Mapping):
        return None
    names = feature.get("names")
    if feature.get("_type") == "ClassLabel" and isinstance(names, list):
        return partial(_name, names)
    if "feature" in feature:
        inner = _namer(feature["feature"])
        return None if inner is None else partial(_each, inner)
    fields = {name: namer for name, item in feature.items() if (namer := _namer(item)) is not None}
    return partial(_fields, fields) if fields else None


def _name(names: list[str], value: Any) -> Any:
    known = isinstance(value, int) and 0 <= value < len(names)
    return names[value] if known else None if value == -1 else value  # -1: not annotated


def _each(name: Callable[[Any], Any], value: Any) -> Any:
    # A sequence of objects may be stored as an object of sequences.
    if not isinstance(value, list):
        return name(value)
    named = [name(item) for item in value]
    return None if named and all(item is None for item in named) else named  # a test set without its tags


def _fields(namers: Mapping[str, Callable[[Any], Any]], value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    named = {key: _each(namer, value[key]) for key, namer in namers.items() if key in value}
    return {**value, **named}


def _check_names(names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"two columns are called {repeated[0]!r}; rename one")

"""JSON objects that contain a whole data set, which are refused: a table by columns, or posts under a key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mner.data.lines import Line
from mner.data.literals import by_index

_TEXT_KEYS = ("tokens", "words", "text", "tokenized_text")
_RECORDS = 'With pandas, write df.to_json(path, orient="records", lines=True)'
_OTHER_ORIENTS = ({"columns", "index", "data"}, {"schema", "data"})


def refuse_whole_table(record: Mapping[str, Any], line: Line) -> None:
    """Reject an object that contains several posts.

    Args:
        record: The object.
        line: Its line.

    Raises:
        FormatError: Names what it is, and how to write one object per post.
    """
    for key in _TEXT_KEYS:
        value = record.get(key)
        column = by_index(value)
        if not isinstance(column, list) or not column:
            continue
        is_table = any(_is_list(other) and len(other) == len(column) for name, other in record.items() if name != key)
        is_nested = key != "text" and all(_is_list(each) for each in column)
        if isinstance(value, dict) or (is_table and is_nested):
            raise line.error(f"{key} contains those of {len(column)} posts, as in a table by columns", _RECORDS)
    if any(record.keys() == {*orient} for orient in _OTHER_ORIENTS):
        raise line.error(f"a table of pandas in one object ({', '.join(record)})", _RECORDS)
    if not record.keys().isdisjoint(_TEXT_KEYS):
        return
    if len(record) == 1 and _is_post(next(iter(record.values()))):
        key = next(iter(record))
        remedy = (
            f"Write the object alone, or name its keys: columns={{'text': '{key}.text'}}, --columns text={key}.text"
        )
        raise line.error(f"a post under {key!r}", remedy)
    if record and all(map(_is_post, record.values())):
        raise line.error(f"an object of {len(record)} posts by key", f"Write one object per post. {_RECORDS}")
    for key, value in record.items():
        if _is_list(value) and value and _is_post(value[0]):
            raise line.error(f"posts in a list under {key!r}", "Write the list alone, or an item per line")


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_post(value: Any) -> bool:
    """Whether a value has the words or the text of a post, or is spaCy's pair of a text and its spans."""
    if isinstance(value, list):
        return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], (dict, list))
    return isinstance(value, dict) and not value.keys().isdisjoint(_TEXT_KEYS)

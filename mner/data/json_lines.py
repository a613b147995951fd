"""JSON files: one object per line, objects over several lines, or one array of objects."""

from __future__ import annotations

import ast
import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import StringIO
from itertools import chain, islice
from typing import Any

from mner.data.lines import Line, Report, read_each
from mner.data.mnre import mnre_line
from mner.errors import FormatError
from mner.post_json import finite, unique_keys
from mner.posts import Post

_SPACE = re.compile(r"[ \t\n\r]*")


def read_json(lines: Iterable[Line], make: Callable[[Any, Line], Post], report: Report) -> Iterator[Post]:
    """Read a post from each JSON object.

    Objects of one line each are read in constant memory; an array, or objects over several lines, are kept in memory.

    Args:
        lines: The file's lines.
        make: Makes a post of a value and its line.
        report: Called with the error of a malformed object, which is then left out.

    Returns:
        The posts, in the order of the file; a post without ``id`` is named by the line in which it begins.

    Raises:
        FormatError: If an array, or what spans several lines, is not valid JSON; or if an array is empty.
    """
    lines, one_per_line = _layout(lines)
    if one_per_line:
        return read_each(lines, lambda line: make(load_json(line), line), report)
    return read_each(_items(lines), lambda item: make(*item), report)


def read_values(lines: Iterable[Line]) -> Iterator[tuple[Any, Line]]:
    """Decode each value of a file: one per line, objects over several lines, or the items of one array.

    Args:
        lines: The file's lines.

    Returns:
        The values, each with the line in which it begins.

    Raises:
        FormatError: If one is not valid JSON.
    """
    lines, one_per_line = _layout(lines)
    return ((load_json(line), line) for line in lines) if one_per_line else _items(lines)


def load_json(line: Line) -> Any:
    """Decode the JSON value of a line; its surrogates are repaired.

    Raises:
        FormatError: If it is not valid JSON, or has a key twice.
    """
    text = line.text
    try:
        value = _DECODER.decode(text)
        return line.repaired(value) if "\\u" in text else value  # the text itself has no surrogates
    except (ValueError, RecursionError) as error:
        if (relation := mnre_line(text)) is not None:
            return relation
        if isinstance(error, json.JSONDecodeError) and _is_python(text, error.pos):
            raise line.error(
                "a Python literal, not JSON (its quotes are single)",
                "Convert each line with json.dumps(ast.literal_eval(line))",
            ) from error
        raise line.error(f"invalid JSON ({error})", "Write one whole JSON object per line") from error


def _layout(lines: Iterable[Line]) -> tuple[Iterator[Line], bool]:
    """Return the lines that are not blank, and whether each is a separate value."""
    filled = (line for line in lines if not line.blank)
    ahead = list(islice(filled, 1))
    if ahead and ahead[0].raw.lstrip().startswith(b"{") and _is_begun(ahead[0]):
        ahead += islice(filled, 1)
    return chain(ahead, filled), not ahead or _is_one_per_line(ahead)


def _is_one_per_line(ahead: list[Line]) -> bool:
    """Whether, by the first lines, each line is a separate record, well-formed or not."""
    first, *second = ahead
    if _is_begun(first):
        return any(line.raw.lstrip().startswith(b"{") for line in second)
    try:
        value = json.loads(first.text)
    except (ValueError, RecursionError, FormatError):
        return True
    # A record may also be a list, a text and its spans; in an array of records no record is a bare string.
    return not isinstance(value, list) or (len(value) > 1 and isinstance(value[0], str))


def _is_begun(line: Line) -> bool:
    """Whether a line is the beginning of a JSON value that continues in the next line."""
    try:
        json.loads(line.text)
    except json.JSONDecodeError as error:
        return line.raw.lstrip().startswith(b"[") or error.pos >= len(line.text.rstrip())
    except (ValueError, RecursionError, FormatError):
        return line.raw.lstrip().startswith(b"[")
    return False


def _items(lines: Iterable[Line]) -> Iterator[tuple[Any, Line]]:
    """Decode an array, or consecutive values, item by item, so that each has its line.

    The text is kept in memory, and two numbers per line.
    """
    joined = StringIO(newline="\n")
    starts, numbers = array("Q"), array("Q")
    for line in lines:
        starts.append(joined.tell())
        numbers.append(line.number)
        joined.write(f"{line.text}\n")
    text = joined.getvalue().removesuffix("\n")
    joined.close()
    some_line = replace(line, raw=b"")

    def line_at(position: int) -> Line:
        return replace(some_line, number=numbers[bisect_right(starts, position) - 1])

    def skip(position: int) -> int:
        found = _SPACE.match(text, position)
        return found.end() if found else position

    position = skip(0)
    is_array = text.startswith("[", position)
    position = skip(position + 1) if is_array else position
    if is_array and text.startswith("]", position):
        raise line_at(0).error("the array is empty", "Give one that is not empty")
    while True:
        begin = position
        try:
            record, position = _DECODER.raw_decode(text, begin)
            record = line_at(begin).repaired(record)
        except (ValueError, RecursionError) as error:
            place = line_at(error.pos if isinstance(error, json.JSONDecodeError) else begin)
            remedy = "Correct the JSON, or write one object per line"
            cut = isinstance(error, json.JSONDecodeError) and (
                error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
            )
            raise place.error(
                f"invalid JSON ({error})", f"{remedy}; is the file cut off?" if cut else remedy
            ) from error
        yield record, line_at(begin)
        position = skip(position)
        if is_array and text.startswith(",", position):
            position = skip(position + 1)
        elif is_array or position == len(text):
            break
    if not is_array:
        return
    if not text.startswith("]", position):
        raise line_at(position).error("invalid JSON (',' or ']' expected)", "Correct the array; is the file cut off?")
    if skip(position + 1) < len(text):
        raise line_at(position).error("text after the end of the array", "Delete it, or write one object per line")


def _constant(name: str) -> float | None:
    """Read ``NaN``, which pandas writes for a missing value, as ``null``; reject infinities."""
    return None if name == "NaN" else finite(name)


def _is_python(text: str, position: int) -> bool:
    """Whether a text is a Python literal, which is not JSON because of a string or a name at a position."""
    if not text.startswith(("'", "True", "False", "None"), position):
        return False
    try:
        return isinstance(ast.literal_eval(text.strip()), (dict, list))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys, parse_float=finite, parse_constant=_constant)

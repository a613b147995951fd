"""JSON files: one object a line, or one array of objects."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from mner.data.lines import Line, Report, read_each
from mner.data.records import post_from_record
from mner.posts import Post

_SPACE = re.compile(r"[ \t\n\r]*")


def read_json_lines(lines: Iterable[Line], images: Path | None, report: Report) -> Iterator[Post]:
    """Read a post from each line, in constant memory.

    Args:
        lines: The file's lines.
        images: The image folder.
        report: Called with the error of a malformed line, which is then left out.

    Returns:
        The posts, in the order of the file; a post without ``id`` is named by its line number.
    """
    filled = (line for line in lines if not line.blank)
    return read_each(filled, lambda line: post_from_record(load_json(line), line, images), report)


def read_json_array(lines: Iterable[Line], images: Path | None, report: Report) -> Iterator[Post]:
    """Read a post from each object of one JSON array, which is held in memory whole.

    Args:
        lines: The file's lines.
        images: The image folder.
        report: Called with the error of a malformed object, which is then left out.

    Returns:
        The posts, in the order of the file; a post without ``id`` is named by the line in which it begins.

    Raises:
        FormatError: If the array itself is not valid JSON, or is empty.
    """
    return read_each(_items(list(lines)), lambda item: post_from_record(*item, images), report)


def load_json(line: Line) -> Any:
    """The JSON value of a line.

    Raises:
        FormatError: If it is not valid JSON.
    """
    try:
        return json.loads(line.text)
    except (ValueError, RecursionError) as error:
        raise line.error(f"invalid JSON ({error})", "Write one whole JSON object a line") from error


def _items(lines: list[Line]) -> Iterator[tuple[Any, Line]]:
    """Decode an array item by item, so that each is known by its line."""
    texts = [line.text for line in lines]
    text = "\n".join(texts)
    starts = [0, *accumulate(len(piece) + 1 for piece in texts)]

    def line_at(position: int) -> Line:
        return lines[min(bisect_right(starts, position), len(lines)) - 1]

    def skip(position: int) -> int:
        found = _SPACE.match(text, position)
        return found.end() if found else position

    decode = json.JSONDecoder().raw_decode
    position = skip(text.index("[") + 1)
    if text.startswith("]", position):
        raise lines[0].error("the array is empty", "Give a file with posts in it")
    while True:
        begin = position
        try:
            record, position = decode(text, begin)
        except (ValueError, RecursionError) as error:
            place = line_at(error.pos if isinstance(error, json.JSONDecodeError) else begin)
            raise place.error(f"invalid JSON ({error})", "Mend the array, or write one object a line") from error
        yield record, line_at(begin)
        position = skip(position)
        if not text.startswith(",", position):
            break
        position = skip(position + 1)
    if not text.startswith("]", position):
        raise line_at(position).error("invalid JSON (',' or ']' expected)", "Mend the array; is the file cut off?")
    if skip(position + 1) < len(text):
        raise line_at(position).error("text after the end of the array", "Delete it, or write one object a line")

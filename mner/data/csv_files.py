"""CSV and TSV: a header, and a post per row, with the columns of a JSON record."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from mner.data.columns import Columns
from mner.data.lines import Line, Report
from mner.data.word_rows import Row, read_joined
from mner.errors import FormatError
from mner.posts import Post

DELIMITERS = ("\t", ",", ";", "|")

_TEXTS = frozenset({"text", "tokens", "words", "text_snippet", "tokenized_text"})
_WORD = frozenset({"word", "token"})
_LIKELY_TEXT = re.compile(r"(full[ _-]?)?text|tweets?|posts?|sentences?|content|body|messages?", re.IGNORECASE)
_SEPARATOR = re.compile(r"\"?sep=.\"?", re.IGNORECASE)
_MAX_CELL = 1 << 30
csv.field_size_limit(_MAX_CELL)  # the limit is that of a line


def header_of(text: str) -> list[str]:
    """The names of the columns in the first line of a table, split at the delimiter that it has most of."""
    return next(csv.reader([text], delimiter=_delimiter(text)), [])


def has_text(names: Iterable[str], columns: Columns | None = None) -> bool:
    """Whether a table with these columns, or one that they are mapped from, has a text or words."""
    return bool({*names, *(columns or {})} & _TEXTS)


def read_csv(
    lines: Iterable[Line], make: Callable[[Any, Line], Post], report: Report, columns: Columns | None = None
) -> Iterator[Post]:
    """Read a post from each row of a table; a quoted cell may have several lines, an empty one counts as missing.

    Args:
        lines: The file's lines.
        make: Makes a post of a row and its line.
        report: Called with the error of a malformed row, which is then left out.
        columns: Which column is the text, if none is called so.

    Raises:
        FormatError: If there is no column of a text, two columns have one name, or a quoted cell does not end.
    """
    feed = _Feed(lines)
    first = next(feed, None)
    if first is None:
        return
    header = feed.line
    if _SEPARATOR.fullmatch(first.strip()):
        raise header.error(f"{first.strip()!r}, a line for Excel above the header", "Delete the line")
    names = [name.strip() or f"column {number}" for number, name in enumerate(header_of(first), start=1)]
    _check_header(names, header, columns)
    yield from read_joined(_rows(feed, names, _delimiter(first)), names, columns, make, report)


def _rows(feed: _Feed, names: Sequence[str], delimiter: str) -> Iterator[Row]:
    """The cells of each row that has any, by column."""
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            remedy = 'Double the quotes within a quoted cell: "a ""b"" c"'
            yield feed.first.error(f"invalid CSV ({error})", remedy), feed.first
        except FormatError as error:
            yield error, feed.first
        else:
            if not any(cells):
                continue
            if len(cells) == len(names):
                yield {name: cell or None for name, cell in zip(names, cells, strict=True)}, feed.first
            else:
                found = f"{len(cells)} cells, where the header has {len(names)} columns"
                yield feed.first.error(found, "Quote cells that contain the delimiter"), feed.first


class _Feed:
    """The lines of a table as strings; keeps the line in which the current row begins."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self._begins = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.line = next(self._lines)
        if self._begins:
            self.first, self._begins = self.line, False
        return f"{self.line.text}\n"

    def begin(self) -> None:
        """The next line begins a row."""
        self._begins = True


def _delimiter(text: str) -> str:
    return max(DELIMITERS, key=text.count)


def _check_header(names: list[str], line: Line, columns: Columns | None) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise line.error(f"two columns are called {repeated[0]!r}", "Rename one")
    if has_text(names, columns):
        return
    if len(names) > 1 and not _WORD.isdisjoint(map(str.casefold, names)):
        return
    likely = next(filter(_LIKELY_TEXT.fullmatch, names), names[-1])
    raise line.error(
        f"the header of a table ({', '.join(names)}) without a column 'text' or 'tokens'",
        f"Name it: columns={{'text': {likely!r}}} in Python, --columns text=COLUMN; add a header if there is none; "
        "or request plain text with format='text' (--format text)",
    )

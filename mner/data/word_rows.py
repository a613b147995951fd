"""Tables with a word per row, such as Kaggle's ``Sentence #,Word,POS,Tag``: rows of one sentence become one row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import Any

from mner.data.annotations import TAG_KEYS
from mner.data.columns import Columns
from mner.data.conll_layout import ENTITY_TAG
from mner.data.extent import Extent
from mner.data.fields import set_once
from mner.data.forms import is_tag
from mner.data.lines import Line, Report, read_each
from mner.data.literals import decoded
from mner.data.overlooked import refuse_overlooked
from mner.data.plain import plain
from mner.errors import DataError, FormatError
from mner.labels import OUTSIDE
from mner.posts import Post

Row = tuple[Mapping[str, Any] | FormatError, Line]
"""The cells of a row by column, and its line; or why it is malformed."""

_WORD_NAMES = ("word", "token")
_WORDS_NAMES = ("tokens", "words")
_TEXT_NAMES = ("text", "text_snippet", "tokenized_text")
_TAG_NAMES = ("ner_tags", "ner_tag", "ner", "iob", "bio", "labels", "label", "tags", "tag", "entity")
_SENTENCE = re.compile(r"(sentence|sent|post|tweet|doc(ument)?)s?([ _-]?(#|no|num(ber)?|id|idx|index))?", re.IGNORECASE)
_POST_KEYS = ("image", "image_id", "images", "caption")


def read_joined(
    rows: Iterator[Row],
    names: Sequence[str],
    columns: Columns | None,
    make: Callable[[Any, Line], Post],
    report: Report,
) -> Iterator[Post]:
    """Read a post from each row, or from the rows of each sentence in a table with a word per row.

    A sentence begins where its column has another value; rows in which it is empty belong to it. One malformed row
    costs its post.

    Args:
        rows: The rows.
        names: The columns of the table.
        columns: Which columns have the words, tags, ids and images, if they are not found by their names.
        make: Makes a post of a row and its line.
        report: Called with the error of a malformed row or post, which is then left out.

    Raises:
        FormatError: If the rows are words and no column has their sentence.
    """

    def read(row: Row) -> Post:
        if isinstance(row[0], FormatError):
            raise row[0]
        return make(*row)

    yield from read_each(_joined(rows, names, columns or {}), read, report)


def _joined(rows: Iterator[Row], names: Sequence[str], columns: Columns) -> Iterator[Row]:
    by_name = {name.casefold(): name for name in reversed(names)}

    def find(keys: Sequence[str], others: Sequence[str] = ()) -> str | None:
        return next((name for key in keys if (name := columns.get(key))), None) or next(
            (by_name[each] for each in (*keys, *others) if each in by_name), None
        )

    word = find(_WORDS_NAMES, _WORD_NAMES)
    if word is None or find(_TEXT_NAMES) is not None:
        return rows
    tag = find(TAG_KEYS, _TAG_NAMES) if columns.keys() & {*TAG_KEYS} else find(_TAG_NAMES)
    if word.casefold() in _WORDS_NAMES or word in columns.values():  # may also be those of a post
        ahead = []
        for row in islice(rows, 2):
            ahead.append(row)
            if not _is_word(row[0], word, tag):
                break
        rows = chain(ahead, rows)
        if len(ahead) < 2 or not _is_word(ahead[-1][0], word, tag):
            return rows
    sentence = columns.get("id") or next(filter(_SENTENCE.fullmatch, names), None)
    if sentence is None:
        first = next(rows, None)
        if first is None:
            return rows
        raise first[1].error(
            f"a table with a word per row ({', '.join(names)}), and no column of their sentence",
            "Name it: columns={'id': ...} in Python, --columns id=COLUMN; or write the words and tags as CoNLL: delete "
            "the header, and leave a blank line between posts",
        )
    return _WordRows(names, columns, word, tag, sentence).join(rows)


def _is_word(row: Mapping[str, Any] | FormatError, word: str, tag: str | None) -> bool:
    """Whether a row has a single word with a tag."""
    if isinstance(row, FormatError) or tag is None:
        return False
    given, tagged = row.get(word), row.get(tag)
    return (
        isinstance(given, str)
        and len(given.split()) == 1
        and decoded(given) is given
        and isinstance(tagged, str)
        and (tagged == OUTSIDE or is_tag(tagged))
    )


def _cell(value: Any) -> Any:
    """A value as JSON has it, if it can be one; ``None`` where it is missing."""
    try:
        return plain(value)
    except DataError:
        return value


@dataclass(frozen=True, slots=True)
class _WordRows:
    """The columns of a table with a word per row."""

    names: Sequence[str]
    columns: Columns
    word: str
    tag: str | None
    sentence: str

    def join(self, rows: Iterator[Row]) -> Iterator[Row]:
        current = None

        def key(row: Row) -> Any:
            nonlocal current
            cells = row[0]
            cell = None if isinstance(cells, FormatError) else plain(cells.get(self.sentence))
            current = current if cell in (None, "") else cell
            return current

        for name, group in groupby(rows, key):
            kept = list(group)
            first = kept[0][1]
            error = next((cells for cells, _ in kept if isinstance(cells, FormatError)), None)
            if error is None:
                try:
                    yield self._post(name, [(cells, line) for cells, line in kept if isinstance(cells, Mapping)]), first
                    continue
                except FormatError as raised:
                    error = raised
            yield error, first

    def _post(self, name: Any, rows: list[tuple[Mapping[str, Any], Line]]) -> dict[str, Any]:
        first = rows[0][1]
        if name is None:
            raise first.error(f"a word without a sentence in the column {self.sentence!r}", "Number the first one, too")
        record: dict[str, Any] = {self._key("id"): f"{name:g}" if isinstance(name, float) else str(name)}
        record[self._key(*_WORDS_NAMES)] = [self._word(cells, line) for cells, line in rows]
        tags = [None if self.tag is None else plain(cells.get(self.tag)) for cells, _ in rows]
        if any(tags):
            bare = next((line for tag, (_, line) in zip(tags, rows, strict=True) if not tag), None)
            if bare is not None:
                raise bare.error("a word without a tag", "Give it one, O if it is in no entity")
            record[self._key(*TAG_KEYS)] = tags
        filled: dict[str, Any] = {}  # the first filled cell of every other column
        mapped = {self._key(key) for key in _POST_KEYS}
        noted = self.tag is not None and self.tag not in self.columns.values()
        for cells, line in rows:
            for other, value in cells.items():
                if other in (self.word, self.tag, self.sentence) or (cell := _cell(value)) in (None, ""):
                    continue
                if other in mapped:
                    set_once(filled, other, cell, line)
                elif noted and isinstance(cell, str) and ENTITY_TAG.fullmatch(cell):
                    line.note(f"the tags are those of column {self.tag}; {other} has tags, too (see columns)")
                filled.setdefault(other, cell)
        found = {key: filled.pop(key) for key in mapped & filled.keys()}
        if len(rows) > 1:  # of a post of one word, any tag has the form of its annotation
            extent = Extent([cells[self.word] for cells, _ in rows], None)
            refuse_overlooked(filled, filled, first, extent, has_image=bool(found))
        return record | found

    def _key(self, *keys: str) -> str:
        return next((self.columns[key] for key in keys if key in self.columns), keys[0])

    def _word(self, cells: Mapping[str, Any], line: Line) -> str:
        word = plain(cells.get(self.word))
        if word in (None, ""):
            remedy = "Write it (pandas reads the word NA as missing: keep_default_na=False)"
            raise line.error(f"a row without a word in the column {self.word!r}", remedy)
        return str(word)

"""From rows of a table to posts: missing cells, lists as texts, and images within the table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path, PurePath
from typing import Any

from mner.data.brat import ORIGIN
from mner.data.columns import Columns, rename
from mner.data.embedded_images import content_of, is_embedded, suffix_of
from mner.data.fields import set_once
from mner.data.image_names import ImageFolder, split_suffix
from mner.data.lines import Line, Notes, Report
from mner.data.literals import decoded
from mner.data.plain import plain
from mner.data.records import post_from_record, tagged_words
from mner.data.word_rows import read_joined
from mner.errors import DataError, ImageError, OutputError
from mner.files import atomic_write
from mner.paths import reason
from mner.posts import Post

_IMAGES = frozenset({"image", "image_id", "images"})
_STRUCTURED = frozenset({"metadata", "contexts", "character_spans", "entity_boxes"})
"""Columns whose cells may be strings of JSON."""


class RowReader:
    """Makes posts of the rows of a table.

    Args:
        images: The image folder. Images within the table are written to it: under their own name if it is free, or
            else a name made of their content. Without it, they are left out, which is noted.
        annotator: Whose annotation to read, where there are several.
        columns: The names of the columns, by mner's keys.
    """

    def __init__(
        self, images: ImageFolder | None = None, annotator: str | None = None, columns: Columns | None = None
    ) -> None:
        self.images, self.annotator, self.columns = images, annotator, columns
        self.num_saved = 0

    def post(self, value: Any, line: Line) -> Post:
        """Make a post of a JSON value, whose keys may be mapped as columns are.

        Raises:
            FormatError: If it cannot be one.
        """
        if isinstance(value, Mapping):
            value = rename(value, self.columns, line) if self.columns else value
            value = self._with_saved_images(dict(value), line)
        return post_from_record(value, line, self.images, self.annotator)

    def __call__(self, row: Mapping[str, Any], line: Line) -> Post:
        """Make a post of a row.

        Raises:
            FormatError: If it cannot be one.
        """
        row = rename(row, self.columns, line) if self.columns else dict(row)
        row = self._with_saved_images(row, line)
        if (tagged := tagged_words(row, line, self.images)) is not None:
            return tagged
        record = {name: value for name, value in row.items() if value is not None}
        for name in _STRUCTURED & record.keys():
            record[name] = decoded(record[name])
        for name in ("tokens", "words"):
            if isinstance(words := decoded(record.get(name)), str):
                record[name] = words.split()
        return post_from_record(_plain(record, line), line, self.images, self.annotator)

    def _with_saved_images(self, record: dict[str, Any], line: Line) -> dict[str, Any]:
        if _IMAGES.isdisjoint(record):
            return record
        for name in ("image", "image_id"):
            if is_embedded(record.get(name)):
                record[name] = self._saved(record[name], line)
            elif isinstance(given := _listed(record.get(name)), (list, tuple)) and any(map(is_embedded, given)):
                del record[name]
                set_once(record, "images", given, line)
        images = decoded(_listed(record.get("images")))
        if isinstance(images, (list, tuple)) and any(map(is_embedded, images)):
            saved = [self._saved(image, line) if is_embedded(image) else image for image in images]
            named = record.get("image") or record.get("image_id")  # the record of a tar file may name its image
            record["images"] = [image for image in saved if image is not None]
            if named is not None and len(images) == 1:
                del record["images"]
                record |= {} if saved[0] is None else {"image": saved[0]}
                record.pop("image_id", None)
        return record

    def _saved(self, image: Any, line: Line) -> str | None:
        """The name of an image, which is written to the image folder if the data contain it."""
        try:
            given, content = content_of(image)
        except (DataError, ImageError) as error:
            raise line.error(str(error), "Leave it out") from error
        if not content:
            return given
        if self.images is None:
            line.note("images within the data are left out; give an image folder, to which they will be written")
            return None
        name = PurePath(str(given or "").replace("\\", "/")).name
        stem, suffix = split_suffix(name)
        digest = hashlib.blake2b(content, digest_size=8).hexdigest()
        suffix = suffix or suffix_of(content)
        free = (f"{stem}{suffix}", f"{stem}-{digest}{suffix}") if stem and suffix else (f"{digest}{suffix}",)
        self.num_saved += 1
        for each in free:
            if _write(self.images.path / each, content):
                return each
        # What is there under the digest of this content is what an interrupted process left of it.
        with atomic_write(self.images.path / free[-1], "wb") as file:
            file.write(content)
        return free[-1]


def read_rows(
    rows: Iterable[Mapping[str, Any]], name: Path, make: RowReader, report: Report, *, lenient: bool = False
) -> Iterator[Post]:
    """Read a post from each row.

    Args:
        rows: The rows.
        name: The table's name, for messages.
        make: Makes the posts.
        report: Called with the error of a malformed row, which is then left out.
        lenient: Whether annotations that cannot be read are noted.
    """
    notes = Notes(name, lenient, unit="row")
    numbered = (
        (
            {key: cell for key, cell in row.items() if key != ORIGIN} if ORIGIN in row else row,
            Line(row.get(ORIGIN, name), number, 0, b"", notes),
        )
        for number, row in enumerate(rows, start=1)
    )
    try:
        first = next(numbered, None)
        names = [] if first is None else list(first[0])
        yield from read_joined(chain([] if first is None else [first], numbered), names, make.columns, make, report)
    finally:
        notes.report()


def _listed(value: Any) -> Any:
    """Turn an array of one dimension, as pandas reads a list, into a list."""
    return list(value) if getattr(value, "ndim", None) == 1 else value


def _plain(record: Mapping[str, Any], line: Line) -> dict[str, Any]:
    cells = {}
    for name, cell in record.items():
        try:
            cells[name] = plain(cell)
        except DataError as error:  # noqa: PERF203 - names the column
            remedy = f"Leave the column out; if it contains images, map it: columns={{'image': {name!r}}}"
            line.doubt(f"the column {name} cannot be read", str(error), remedy)
    return cells


def _write(path: Path, content: bytes) -> bool:
    """Write an image unless the file is there; returns whether the file has this content."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError as error:
        raise OutputError(f"cannot write the image {path}: {reason(error)}") from error
    return True

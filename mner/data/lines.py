"""Text files and streams as numbered lines; anything but UTF-8 text is rejected with its kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

from mner.errors import DataError, DatasetNotFoundError, FormatError
from mner.git_lfs import BEGINNING, REASON
from mner.paths import is_folder, not_there, reason
from mner.posts import Post
from mner.terminal import printable
from mner.unicode import repair_surrogates

Source = str | Path | IO[str] | IO[bytes]

Report = Callable[[FormatError], None]
"""Handles the error of a malformed line: raises it, or records it and continues."""

Item = TypeVar("Item")

MAX_LINE_BYTES = 10_000_000
"""Default limit of a line in a stream: a thousand times the longest post, and still small in memory."""

LEFT_OUT = "an annotation is left out, because it cannot be read"
"""The note on an annotation of a post that is only tagged."""

_MAX_NOTES = 100  # different ones per file; keys of a record are unlimited
_KEPT = 100  # bytes of an overlong line that are kept to identify it
_BOM = b"\xef\xbb\xbf"
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*([{\[\]]|$)")
_BINARY = {
    BEGINNING: REASON,
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG image",
    b"\x89HDF": "an HDF5 file",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"PK\x03\x04": "a zip archive (or an Office document)",
    b"\x1f\x8b": "gzip-compressed data",
    b"BZh": "bzip2-compressed data",
    b"\xfd7zXZ": "xz-compressed data",
    b"\x28\xb5\x2f\xfd": "zstd-compressed data",
    b"PAR1": "a Parquet table",
    b"ARROW1": "an Arrow table",
    b"\x93NUMPY": "a NumPy array",
    b"<?xml": "an XML document",
    b"<!DOCTYPE": "an HTML or XML document",
    b"{\\rtf": "an RTF document",
    b"\xff\xfe\0\0": "UTF-32 text",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


class Notes:
    """Repairs and omissions in a file, counted by line and reported once at its end.

    Args:
        path: The file.
        lenient: Whether an annotation that cannot be read is noted, as for tagging, instead of being an error.
        unit: What is counted: lines, or the rows of a table.
    """

    def __init__(self, path: Path, lenient: bool = False, unit: str = "line") -> None:
        self.path, self.lenient, self.unit = path, lenient, unit
        self._lines: dict[str, tuple[int, int, int, str]] = {}  # number of lines, the first, the last, an example

    def add(self, what: str, line: int, example: str = "") -> None:
        """Count a line, only once even if it is noted again; the first example is kept."""
        if len(self._lines) >= _MAX_NOTES and what not in self._lines:
            what, example = "other notes", ""
        count, first, last, example = self._lines.get(what, (0, line, -1, example))
        if line != last:
            self._lines[what] = count + 1, first, line, example

    def report(self) -> None:
        """Warn of everything noted since the last report."""
        if not self._lines:
            return
        from pytorch_lightning.utilities import rank_zero_warn  # which imports PyTorch

        for what, (count, first, _, example) in self._lines.items():
            lines = f"{self.unit} {first}" if count == 1 else f"{count} {self.unit}s, the first is {first}"
            rank_zero_warn(printable(f"{self.path}: {what} ({lines}{example and f': {example}'})"))
        self._lines.clear()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, decoded only when its text is needed.

    Args:
        path: The file, for messages.
        number: Line number, counted from 1.
        offset: Where the line begins in the file, in bytes.
        raw: Its bytes, without the line end.
        notes: The file's notes.
        size: Length in bytes of a line beyond the reader's limit, of which ``raw`` has only the beginning.
    """

    path: Path
    number: int
    offset: int
    raw: bytes
    notes: Notes = field(compare=False, repr=False)
    size: int | None = None

    @property
    def blank(self) -> bool:
        """Whether the line has only spaces and tabs; a line with a no-break space is not blank."""
        return not self.raw.strip(b" \t")

    @property
    def text(self) -> str:
        """The line as text; encoded surrogates, which UTF-8 forbids, are repaired.

        Raises:
            FormatError: If it is not UTF-8, contains a NUL or a carriage return, or is longer than the reader's
                limit.
        """
        if self.size is not None:
            raise self.error(
                f"a line of {self.size:,} bytes, longer than the limit, that begins with {self.raw[:20]!r}",
                "Split it, or raise max_line_bytes",
            )
        try:
            text = self.repaired(self.raw.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError as error:
            raise self.error(
                f"byte {self.raw[error.start]:#04x} at offset {self.offset + error.start} of the file is not UTF-8",
                "Convert the file to UTF-8, for example with `iconv -f WINDOWS-1252 -t UTF-8`",
            ) from error
        if "\0" in text:
            raise self.error("a NUL character, so this is not a text file", "Give a text file in UTF-8")
        if "\r" in text:
            raise self.error("a carriage return within the line", "Save the file with LF or CRLF line ends")
        return text

    def error(self, found: str, remedy: str) -> FormatError:
        """Make a :class:`FormatError` at this line."""
        return FormatError(self.path, self.number, found, remedy, self.notes.unit)

    def note(self, what: str, example: str = "") -> None:
        """Add this line to the file's notes."""
        self.notes.add(what, self.number, example)

    def doubt(self, what: str, example: str, remedy: str) -> None:
        """Reject what was probably meant to be read; where posts are only tagged, note it.

        Raises:
            FormatError: If the file is not read leniently.
        """
        if not self.notes.lenient:
            raise self.error(f"{what}: {example}", remedy)
        self.note(what, example)

    def repaired(self, value: Item) -> Item:
        """Repair the surrogates in a value of this line, and note it.

        Raises:
            FormatError: If two keys of an object would become the same.
        """
        try:
            value, halves = repair_surrogates(value)
        except DataError as error:
            raise self.error(str(error), "Correct the JSON") from error
        if halves:
            self.note("lone surrogates, halves of cut emoji, were replaced by U+FFFD")
        return value


def read_lines(source: Source, max_line_bytes: int | None = None, *, lenient: bool = False) -> Iterator[Line]:
    """Read a file or an open stream line by line, in constant memory.

    Lines end at LF or CRLF only: characters such as U+0085 and U+2028, at which ``str.splitlines`` splits too, occur
    in tweets. A byte order mark is skipped, within the file too, which is noted.

    Args:
        source: A path, or a stream open for reading, text or binary, such as ``sys.stdin``.
        max_line_bytes: Limit above which a line is skipped without being kept in memory; its ``text`` then raises an
            error. There is no limit for a file that begins as a JSON array, which must be kept in memory as a whole.
        lenient: Whether an annotation that cannot be read is noted instead of being an error.

    Raises:
        DatasetNotFoundError: If there is no such file.
        DataError: If the system refuses to open it.
        FormatError: If it is a folder, is empty, or is recognised as binary.
    """
    if not isinstance(source, (str, Path)):
        name = str(getattr(source, "name", "<stream>"))
        yield from _number(getattr(source, "buffer", source), max_line_bytes, Notes(Path(name), lenient))
        return
    path = Path(source)
    if is_folder(path):
        raise FormatError(path, None, "a folder, where a file was expected", "Give one of the files in it")
    try:
        stream = path.open("rb")
    except FileNotFoundError as error:
        raise DatasetNotFoundError(not_there(path)) from error
    except (OSError, ValueError) as error:  # a ValueError for a name with a NUL
        raise DataError(f"cannot open {path}: {reason(error)}; check the path") from error
    with stream:
        yield from _number(stream, max_line_bytes, Notes(path, lenient))


def read_each(items: Iterable[Item], read: Callable[[Item], Post], report: Report) -> Iterator[Post]:
    """Read a post from each item; the error of a malformed item is reported."""
    for item in items:
        try:
            post = read(item)
        except FormatError as error:  # noqa: PERF203 - the loop continues after a bad item
            report(error)
        else:
            yield post


def _number(stream: IO[str] | IO[bytes], max_line_bytes: int | None, notes: Notes) -> Iterator[Line]:
    offset = number = 0
    path = notes.path
    for number, (raw, size) in enumerate(_raw_lines(stream, max_line_bytes), start=1):
        skip = 0
        if raw.startswith(_BOM) and (number == 1 or raw[len(_BOM) :][:1] not in (b"\t", b" ")):  # or it is a word
            skip = len(_BOM)
        if skip and number > 1:  # where files were joined
            notes.add("byte order marks within the file were left out", number)
        if number == 1:
            _refuse_binary(raw, path)
        yield Line(path, number, offset + skip, raw[skip:].rstrip(b"\r\n"), notes, size)
        offset += len(raw) if size is None else size
    if number == 0:
        raise FormatError(path, None, "the file is empty", "Give one that is not empty")


def _raw_lines(stream: IO[str] | IO[bytes], limit: int | None) -> Iterator[tuple[bytes, int | None]]:
    """Yield the lines with their ends; of those beyond the limit only the beginning, and their size."""
    begun = False
    while raw := _read_line(stream, limit):
        if not begun and raw.strip(_BOM + b" \t\r\n"):
            begun = True
            if limit is not None and _ARRAY.match(raw):
                raw, limit = (raw if raw.endswith(b"\n") else raw + _read_line(stream, None)), None
        if limit is None or len(raw) <= limit or raw.endswith(b"\n"):
            yield raw, None
            continue
        kept, size, piece = raw[:_KEPT], len(raw), raw
        while not piece.endswith(b"\n") and (piece := _read_line(stream, 1 << 16)):
            size += len(piece)
        yield kept, size


def _read_line(stream: IO[str] | IO[bytes], limit: int | None) -> bytes:
    """Read the next line, or its next ``limit + 1`` bytes (characters of a text stream)."""
    piece = stream.readline(-1 if limit is None else limit + 1)
    return piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece


def _refuse_binary(raw: bytes, path: Path) -> None:
    if b'class="anndoc"' in raw:
        remedy = 'Write {"text": ..., "entities": [{"start": ..., "end": ..., "type": ...}]} per document'
        raise FormatError(path, None, "a text of tagtog (.plain.html), whose entities are in its .ann.json", remedy)
    kind = next((kind for magic, kind in _BINARY.items() if raw.startswith(magic)), None)
    if kind is None and b"\0" in raw:
        halves = raw[1:20:2].strip(b"\0"), raw[:20:2].strip(b"\0")
        kind = "UTF-16 text" if len(raw) > 1 and not all(halves) else "binary data"
    if kind in ("UTF-16 text", "UTF-32 text"):
        remedy = f"Convert it, for example with `iconv -f {kind.split()[0]} -t UTF-8`, or save it as UTF-8 in Excel"
        raise FormatError(path, None, f"this is {kind}", remedy)
    if kind is not None:
        remedy = "Decompress it" if "compressed" in kind else "Give posts as UTF-8 text, in CoNLL or JSON lines"
        remedy = "Save the sheet as CSV in UTF-8, or unpack the archive" if "Office" in kind else remedy
        raise FormatError(path, None, f"this is {kind}", remedy)

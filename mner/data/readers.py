"""Reading posts from a file of any known format, which is detected from its content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, dropwhile
from pathlib import Path
from typing import Any, get_args

from mner.argument_types import check_type, plain_scalar
from mner.data.annotators import choose_annotations, without_labels
from mner.data.columnar_files import columnar_rows, is_columnar
from mner.data.columns import Columns, check_columns
from mner.data.conll import read_conll
from mner.data.csv_files import read_csv
from mner.data.detection import MAX_SAMPLE, Format, detect_format, is_table_header, settles
from mner.data.gmner import attach_boxes, box_folder
from mner.data.image_names import ImageFolder
from mner.data.json_lines import read_json
from mner.data.lines import MAX_LINE_BYTES, Line, Report, Source, read_lines
from mner.data.raw_text import read_plain_text
from mner.data.read_ahead import read_ahead
from mner.data.table_rows import RowReader, read_rows
from mner.data.tables import Table, is_table, rows_of
from mner.errors import ConfigurationError, FormatError
from mner.labels import check_choice
from mner.posts import Post
from mner.remote_images import RemoteImages


def read_posts(
    path: str | Path | Table,
    *,
    images: str | Path | None = None,
    boxes: str | Path | None = None,
    format: Format | None = None,
    annotator: str | int | None = None,
    tag_column: int | None = None,
    columns: Columns | None = None,
    remote: RemoteImages | None = None,
) -> list[Post]:
    """Read every post of a file.

    Nothing is lost silently: a malformed line is an error, and repairs and omissions are counted and reported once. A
    repeated id is made unique by numbering, ``5``, ``5#2``, ``5#3``; the image is still that of ``5``.

    Args:
        path: A file of any format of the formats page, a folder of a saved ``datasets.Dataset``, or a table in memory:
            a pandas ``DataFrame``, an Arrow table or a ``datasets.Dataset``.
        images: The image folder. Without it, ``Post.image`` is the name in the file, as a relative path. Images within
            a table are written to it.
        boxes: The folder of GMNER's XML files; by default a folder ``xml`` next to the file or next to its folder. They
            become the posts' gold ``boxes``, see :func:`mner.data.gmner.attach_boxes`.
        format: The format, where it should not be detected. Plain text must be requested by ``"text"``, since any file
            could be mistaken for it.
        annotator: Whose annotation to read where a task of Label Studio has several: the annotator's id or e-mail
            address, or ``"first"`` or ``"last"`` in the order of the export.
        tag_column: The column of the tags in CoNLL, counted from 1; by default the last one.
        columns: Names of columns or keys, by mner's key for what they contain: ``{"text": "tweet"}``.
        remote: What images at an address may be fetched into the image folder, when they are needed; by default none,
            and an address is an error.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If it is empty, of no known format, or malformed; names the line and the remedy.
        ConfigurationError: If ``path`` or ``tag_column`` is of another type.
    """
    name = _name(path)
    make = row_reader(None if images is None else ImageFolder(images, remote), annotator, columns)
    posts = list(stream_posts(path, make, format=format, tag_column=tag_column))
    if not posts:
        raise no_posts(name)
    folder = (None if boxes is None else Path(boxes)) or (None if is_table(path) else box_folder(name))
    if folder is None or any(post.boxes is not None for post in posts):  # their own boxes take precedence
        return posts
    return attach_boxes(posts, folder, None if make.images is None else make.images.path)


def row_reader(images: ImageFolder | None, annotator: str | int | None, columns: Columns | None) -> RowReader:
    """Return what makes posts of records, with checked options; see :func:`read_posts`."""
    check_type("annotator", annotator, str | int | None)
    check_columns(columns)
    return RowReader(images, None if annotator is None else str(annotator), columns)


def stream_posts(
    path: str | Path | Table,
    make: RowReader,
    *,
    format: Format | None = None,
    tag_column: int | None = None,
    lenient: bool = False,
) -> Iterator[Post]:
    """Read every post of a file as :func:`read_posts` does, but one by one, and without boxes from other files.

    Memory is constant except for the ids, which are made unique, and for the exports of Label Studio and other JSON
    over several lines.

    Args:
        path: As in :func:`read_posts`.
        make: Makes the posts.
        format: As in :func:`read_posts`.
        tag_column: As in :func:`read_posts`.
        lenient: As in :func:`iter_posts`; a file of no known format is then plain text.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If it is empty, of no known format, or malformed.
        ConfigurationError: If ``tag_column`` is not a whole number.
    """
    if tag_column is not None and type(plain_scalar(tag_column)) is not int:
        raise ConfigurationError(f"expected tag_column to be a whole number, got {tag_column!r:.60}")
    name = _name(path)
    rows = _rows(path, format)
    if rows is not None and tag_column is not None:
        raise ConfigurationError(
            f"expected tag_column for a CoNLL file, and {name} is a table; name its column: columns={{'tags': ...}}"
        )
    read = (
        _posts(read_lines(name, lenient=lenient), format, make, _raise, "text" if lenient else None, tag_column)
        if rows is None
        else read_rows(rows, name, make, _raise, lenient=lenient)
    )
    yield from _unique(without_labels(choose_annotations(read, make.annotator, name), name))


def no_posts(path: Path) -> FormatError:
    """The error of a file without posts."""
    return FormatError(path, None, "there are no posts in it", "Give a file with posts")


def iter_posts(
    source: Source | Table,
    *,
    images: str | Path | None = None,
    format: Format | None = None,
    on_error: Report | None = None,
    annotator: str | int | None = None,
    columns: Columns | None = None,
    remote: RemoteImages | None = None,
    max_line_bytes: int | None = MAX_LINE_BYTES,
    max_wait: float | None = None,
    lenient: bool = False,
) -> Iterator[Post]:
    """Read posts one by one, in constant memory (JSON over several lines excepted); ids are not made unique.

    Args:
        source: A file, a folder or a table as in :func:`read_posts`, or an open stream such as ``sys.stdin``.
        images: The image folder.
        format: The format; by default it is detected, and anything else is plain text, one post per line.
        on_error: Called with the error of each malformed line or post, which is left out; by default it is raised.
        annotator: As in :func:`read_posts`.
        columns: As in :func:`read_posts`.
        remote: As in :func:`read_posts`.
        max_line_bytes: Limit above which a line is malformed, and not kept in memory; ``None`` for no limit.
        max_wait: Seconds after its first line at which the format of a live source is detected from the lines so far;
            by default as many lines as necessary are awaited.
        lenient: Whether an annotation that cannot be read, or a key that should probably have been read, is counted and
            reported once instead of being an error, as where posts are only tagged.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If it is empty, binary, a table without a text, or, without ``on_error``, malformed.
    """
    report = on_error or _raise
    make = row_reader(None if images is None else ImageFolder(images, remote), annotator, columns)
    rows = _rows(source, format)
    if rows is not None:
        yield from read_rows(rows, _name(source), make, report, lenient=lenient)
        return
    if not hasattr(source, "readline"):
        _name(source)
    lines = read_lines(source, max_line_bytes, lenient=lenient)
    if max_wait is not None and format is None:
        chunks = read_ahead(dropwhile(lambda line: line.blank, lines), MAX_SAMPLE, max_wait)
        first = next(chunks, [])
        lines = chain(first, chain.from_iterable(chunks))
        format = (detect_format(first) or "text") if first else None
    yield from _posts(lines, format, make, report, fallback="text")


def _name(source: object) -> Path:
    """Name a file or a table for messages.

    Raises:
        ConfigurationError: If it is neither.
    """
    if isinstance(source, (str, Path)):
        return Path(source)
    if is_table(source):
        return Path(type(source).__name__)
    raise ConfigurationError(
        f"expected a file, the folder of a saved data set or a table in memory, got a {type(source).__name__}; make a "
        "table of records with pandas.DataFrame(records), or read an open stream with iter_posts"
    )


def _rows(source: Source | Table, format: Format | None) -> Iterator[dict[str, Any]] | None:
    """The rows of a table in memory or in a file; ``None`` for text, the only one that has a format to choose."""
    if is_table(source):
        rows = rows_of(source)
    elif isinstance(source, (str, Path)) and is_columnar(Path(source)):
        rows = columnar_rows(Path(source))
    else:
        return None
    if format is not None:
        raise ConfigurationError(f"expected no format for a table, got {format!r}; leave it out (--format)")
    return rows


def _posts(
    lines: Iterator[Line],
    format: Format | None,
    make: RowReader,
    report: Report,
    fallback: Format | None = None,
    tag_column: int | None = None,
) -> Iterator[Post]:
    if format is not None:
        check_choice("format", format, get_args(Format))
    sample = _sample(lines, 1 if format else MAX_SAMPLE)
    if not sample:
        return
    first = sample[0]
    if format == "text" and is_table_header(first):
        first.note("the line looks like the header of a table; as plain text, it is a post")
    format = format or detect_format(sample) or fallback
    if format is None:
        raise first.error(
            f"{first.raw[:60].decode('utf-8', 'replace')!r} is not the beginning of a format that mner reads",
            "Give CoNLL (a word, a tab, a tag), JSON lines or a JSON array, or request plain text with format='text'",
        )
    if make.columns and format in ("text", "conll"):
        first.note(f"columns are not used: this is {'plain text' if format == 'text' else 'CoNLL'}, which has no names")
    if make.annotator is not None and format in ("text", "conll"):
        first.note("annotator is not used: this format has none")
    if tag_column is not None and format != "conll":
        first.note("tag_column is not used: this is not CoNLL")
    lines = chain(sample, lines)
    try:
        if format == "text":
            yield from read_plain_text(lines, report)
        elif format == "conll":
            yield from read_conll(lines, make.images, report, tag_column)
        elif format == "csv":
            yield from read_csv(lines, make, report, make.columns)
        else:
            yield from read_json(lines, make.post, report)
    finally:
        first.notes.report()


def _sample(lines: Iterator[Line], size: int) -> list[Line]:
    """Return as many of the first lines as are needed to detect the format."""
    sample: list[Line] = []
    for line in dropwhile(lambda line: line.blank, lines):
        sample.append(line)
        if len(sample) == size or (len(sample) == 1 and settles(line)):
            break
    return sample


def _unique(posts: Iterable[Post]) -> Iterator[Post]:
    taken: dict[str, int] = {}
    for post in posts:
        post_id = post.id
        while post_id in taken:
            taken[post.id] += 1
            post_id = f"{post.id}#{taken[post.id]}"
        taken[post_id] = 1
        yield post if post_id == post.id else replace(post, id=post_id)


def _raise(error: FormatError) -> None:
    raise error

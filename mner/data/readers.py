"""Posts from a file of any known format, which is recognised by its content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, dropwhile
from pathlib import Path
from typing import Literal, get_args

from mner.data.conll import read_conll
from mner.data.gmner import attach_boxes, box_folder
from mner.data.json_lines import read_json_array, read_json_lines
from mner.data.lines import Line, Report, Source, read_lines
from mner.data.raw_text import read_plain_text
from mner.errors import FormatError
from mner.labels import check_choice
from mner.posts import Post

Format = Literal["conll", "json_lines", "json_array", "text"]

_SAMPLE = 64  # lines to judge a format by, where none of them settles it alone
_TAGGED = re.compile(r"\t[^ \t]*$|[ ](O|X|[BIESLU][-_]\S+|\S+[-_][BIESLU])$")
_JSON = re.compile(r"\{\s*(\"|\}|$)|\[\s*([{\]]|$)")
_HEADER = re.compile(r"IMGID:\S+\s*$")
_COMMAS = re.compile(r"\S,\S")


def read_posts(
    path: str | Path, *, images: Path | None = None, boxes: Path | None = None, format: Format | None = None
) -> list[Post]:
    """Read every post of a file.

    Nothing is lost: a malformed line is an error. An id that occurs again is made unique by its number of occurrence,
    ``5``, ``5#2``, ``5#3``; the image stays that of ``5``.

    Args:
        path: A file in CoNLL, JSON lines or a JSON array; see the page on formats.
        images: The image folder. Without it, ``Post.image`` is the name in the file, as a relative path.
        boxes: The folder of GMNER's XML files; by default a folder ``xml`` beside the file or beside its folder.
        format: The format, where it should not be recognised. Plain text lines must be asked for by ``"text"``, since
            any file could be taken for them.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If it is empty, of no known format, or malformed; names the line and the remedy.
    """
    path = Path(path)
    posts = list(_unique(_posts(read_lines(path), format, images, _raise)))
    if not posts:
        raise FormatError(path, None, "there are no posts in it", "Give a file with posts")
    folder = boxes or box_folder(path)
    return posts if folder is None else list(attach_boxes(posts, folder))


def iter_posts(
    source: Source, *, images: Path | None = None, format: Format | None = None, on_error: Report | None = None
) -> Iterator[Post]:
    """Read posts one by one, in constant memory (a JSON array excepted); ids are not made unique.

    Args:
        source: A file, or an open stream such as ``sys.stdin``.
        images: The image folder.
        format: The format; by default recognised, where what is nothing else is plain text, a post a line.
        on_error: Called with the error of each malformed line or post, which is left out; by default it is raised.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If it is empty or binary, or, without ``on_error``, malformed.
    """
    yield from _posts(read_lines(source), format, images, on_error or _raise, fallback="text")


def detect_format(sample: Sequence[Line]) -> Format | None:
    """Tell a file's format from its first lines.

    CoNLL shows by an ``IMGID`` line, by a tag at the end of most lines, or by several lines of one word each. Values
    separated by commas are mistaken for neither.

    Args:
        sample: The first lines.

    Returns:
        The format, or ``None`` if it can only be plain text, or is something else.
    """
    texts = [line.raw.decode("utf-8", "replace").strip(" ") for line in sample if not line.blank]
    if texts and _JSON.match(texts[0]):
        return "json_lines" if texts[0].startswith("{") else "json_array"
    if any(map(_HEADER.match, texts)):
        return "conll"
    tagged = _share(_TAGGED, texts) >= 0.5
    single_words = len(texts) > 1 and not any(" " in text or "\t" in text for text in texts)
    return "conll" if (tagged or single_words) and _share(_COMMAS, texts) < 0.5 else None


def _share(pattern: re.Pattern[str], texts: Sequence[str]) -> float:
    return sum(pattern.search(text) is not None for text in texts) / max(len(texts), 1)


def _posts(
    lines: Iterator[Line], format: Format | None, images: Path | None, report: Report, fallback: Format | None = None
) -> Iterator[Post]:
    if format is None:
        sample = _sample(lines)
        if not sample:
            return iter(())
        lines = chain(sample, lines)
        format = detect_format(sample) or fallback
        if format is None:
            raise sample[0].error(
                f"{sample[0].raw[:60].decode('utf-8', 'replace')!r} begins no format that mner reads",
                "Give CoNLL (a word, a tab, a tag), JSON lines or a JSON array, or ask for plain text by format='text'",
            )
    check_choice("format", format, get_args(Format))
    if format == "text":
        return read_plain_text(lines, report)
    reader = {"conll": read_conll, "json_lines": read_json_lines, "json_array": read_json_array}[format]
    return reader(lines, images, report)


def _sample(lines: Iterator[Line]) -> list[Line]:
    """The first lines, as many as are needed to judge: JSON and prose show by one, so a live stream need not wait."""
    sample: list[Line] = []
    for line in dropwhile(lambda line: line.blank, lines):
        sample.append(line)
        text = line.raw.decode("utf-8", "replace").strip(" ")
        prose = text.count(" ") > 1 and not _TAGGED.search(text)
        if len(sample) == _SAMPLE or (len(sample) == 1 and (prose or _JSON.match(text))):
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

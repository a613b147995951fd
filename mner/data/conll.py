"""CoNLL: one word a line, its tag in the last column, a blank line between posts.

The layout of Twitter-2015 (Zhang et al. 2018) and Twitter-2017 (Lu et al. 2018) puts ``IMGID:<id>`` before each post.
ITA (Wang et al. 2022) and PGIM (Li et al. 2023) append text about the image to the words, as ``<EOS>`` and the words
of the text, all tagged ``X``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mner.data.image_names import image_path
from mner.data.lines import Line, Report, read_each
from mner.data.spans import check_tag
from mner.posts import Post

IMAGE_HEADER = "IMGID:"
CONTEXT_MARK, CONTEXT_TAG, CONTEXT_KIND = "<EOS>", "X", "context"
DOCUMENT_START = "-DOCSTART-"


def is_header(raw: bytes) -> bool:
    """Whether a line is ``IMGID:<id>``; a word that happens to begin so has a tag behind a tab."""
    return raw.startswith(IMAGE_HEADER.encode()) and b"\t" not in raw.strip()


def columns(line: Line) -> list[str]:
    """Split a line at tabs, or at spaces where it has no tab; at nothing else, for a no-break space is a word."""
    text = line.text
    if "\t" in text:
        return [cell.strip(" ") for cell in text.split("\t")]
    return [cell for cell in text.split(" ") if cell]


def read_conll(lines: Iterable[Line], images: Path | None, report: Report) -> Iterator[Post]:
    """Read posts from CoNLL lines, with ``IMGID`` lines or without, tagged or not.

    Columns between the word and the tag are not read. A post without ``IMGID`` is named by its place in the file.

    Args:
        lines: The file's lines.
        images: The image folder; the image of ``IMGID:<id>`` is ``<id>.jpg`` in it.
        report: Called with the error of a malformed post, which is then left out.

    Returns:
        The posts, in the order of the file.
    """
    width: int | None = None

    def read(numbered: tuple[int, list[Line]]) -> Post:
        nonlocal width
        place, block = numbered
        width = width or _width(block)
        return _post(block, width, str(place), images)

    return read_each(enumerate(_blocks(lines), start=1), read, report)


def _blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Group the lines of each post; the last post needs no blank line behind it."""
    block: list[Line] = []
    for line in lines:
        if block and (line.blank or is_header(line.raw)):
            yield block
            block = []
        if not line.blank and line.raw.split()[:1] != [DOCUMENT_START.encode()]:
            block.append(line)
    if block:
        yield block


def _width(block: list[Line]) -> int | None:
    """The number of columns of the first line that has a word."""
    return next((len(columns(line)) for line in block if not is_header(line.raw)), None)


def _post(block: list[Line], width: int | None, place: str, images: Path | None) -> Post:
    post_id, image = place, None
    if is_header(block[0].raw):
        header, *block = block
        post_id = header.text.removeprefix(IMAGE_HEADER).strip()
        if not post_id:
            raise header.error("IMGID: without an id", "Write IMGID:<id>, the image's name without .jpg")
        image = image_path(f"{post_id}.jpg", images, header)
        if not block:
            raise header.error(f"post {post_id} has no words", "Give its words below the line, or delete it")
    rows = [_row(line, width) for line in block]
    words, tags = [word for word, _ in rows], [tag for _, tag in rows]
    contexts = {}
    if CONTEXT_TAG in tags:
        start = tags.index(CONTEXT_TAG)
        contexts[CONTEXT_KIND] = _context(block[start:], words[start:], tags[start:])
        words, tags = words[:start], tags[:start]
        if not words:
            raise block[0].error(f"post {post_id} has a context but no words", "Give its words above <EOS>")
    for line, tag in zip(block, tags, strict=False):
        if tag is not None:
            check_tag(tag, line)
    tagged = tuple(tag for tag in tags if tag is not None)
    return Post(post_id, tuple(words), tagged if width != 1 else None, image, contexts)


def _row(line: Line, width: int | None) -> tuple[str, str | None]:
    """The word and tag of a line; the tag is ``None`` in a file of one column."""
    cells = columns(line)
    if len(cells) != width or not cells[0]:
        raise line.error(
            f"{len(cells)} columns {cells!r}, where the first word of the file has {width}"
            if cells[0]
            else "a tag without a word",
            "Give every word its tag, after one tab, in every line of the file",
        )
    if width != 1 and not cells[-1]:
        raise line.error(f"the word {cells[0]!r} has no tag", "Give it one, O if it is in no entity")
    return cells[0], cells[-1] if width != 1 else None


def _context(block: list[Line], words: list[str], tags: list[str | None]) -> str:
    for line, tag in zip(block, tags, strict=True):
        if tag != CONTEXT_TAG:
            raise line.error(f"a word tagged {tag!r} after the context began", "Tag every word after <EOS> with X")
    return " ".join(words[1:] if words[0] == CONTEXT_MARK else words)

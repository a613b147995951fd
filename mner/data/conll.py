"""CoNLL: one word per line, its tag in the last column, a blank line between posts.

Twitter-2015 (Zhang et al. 2018) and Twitter-2017 (Lu et al. 2018) put ``IMGID:<id>`` before each post, CMNER
``WID:<id>``, MultiCoNER a comment ``# id <id>``. ITA (Wang et al. 2022) and PGIM (Li et al. 2023) append text about the
image to the words, as ``<EOS>`` and the words of the text, all tagged ``X``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mner.data.conll_layout import ENTITY_TAG, UNNUMBERED, Layout, infer_layout, is_tag_first
from mner.data.image_names import ImageFolder, image_path, split_suffix
from mner.data.lines import LEFT_OUT, Line, Report, read_each
from mner.data.spans import read_tag
from mner.errors import FormatError
from mner.labels import OUTSIDE
from mner.posts import Post

IMAGE_HEADER = "IMGID:"
CONTEXT_MARK, CONTEXT_TAG, CONTEXT_KIND = "<EOS>", "X", "context"
DOCUMENT_START = "-DOCSTART-"

# Before the words of a post: "# id ...", "# key = value", "# newdoc", or a link. "#" alone may be a word.
_HEADER = re.compile(rb"(IMGID|WID):[^\t]*(\t+O?\s*)?$", re.IGNORECASE)
_COMMENT = re.compile(rb"#[ \t]+(id\s|\w+ *=|newdoc|newpar|\S+://)")
_PROSE = re.compile(rb"#[ \t]+(?!.*\t)\S+( +\S+)* +(?!(O|X|[BIESLUMW]-\S+)\s*$)\S+\s*$")
_COMMENT_ID = re.compile(r"#\s*(?:id\s+|sent_id\s*=\s*)(\S+)")


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines of one post.

    Args:
        place: Its number in the file, counted from 1.
        header: Its ``IMGID`` or ``WID`` line.
        comments: The comments before its words.
        rows: The lines of its words.
    """

    place: int
    header: Line | None
    comments: list[Line]
    rows: list[Line]


def is_header(raw: bytes, first: bool = False) -> bool:
    """Whether a line is ``IMGID:<id>`` or ``WID:<id>``, in capitals or not.

    Args:
        raw: The line.
        first: Whether it is the first of a post: then it may have a tag, as any word has.
    """
    found = _HEADER.match(raw)
    return found is not None and (first or found[2] is None or not found[2].strip())


def is_comment(raw: bytes) -> bool:
    """Whether a line before the words of a post is a comment, as in CoNLL-U; ``#`` with a tag is a word."""
    return _COMMENT.match(raw) is not None or _PROSE.match(raw) is not None


def _cells(text: str) -> list[str]:
    """Split a line at tabs, or at spaces where it has no tab, but not at no-break spaces, which are words.

    Delimiters after the last of at least two columns are left out.
    """
    if "\t" not in text:
        return [cell for cell in text.split(" ") if cell]
    cells = [cell.strip(" ") for cell in text.split("\t")]
    while len(cells) > 2 and not cells[-1]:
        cells.pop()
    return cells


def read_conll(
    lines: Iterable[Line], images: ImageFolder | None, report: Report, tag_column: int | None = None
) -> Iterator[Post]:
    """Read posts from CoNLL lines, with headers or without, tagged or not.

    Columns other than those of the word and the tag are ignored; it is noted if there are tags in one. A post without a
    header or an id in a comment is named by its number in the file.

    Args:
        lines: The file's lines.
        images: The image folder; the image of ``IMGID:<id>`` is its file ``<id>`` with any image suffix.
        report: Called with the error of a malformed post, which is then left out.
        tag_column: Number of the column of the tags, counted from 1; by default it is inferred, and usually the last.

    Returns:
        The posts, in the order of the file.

    Raises:
        FormatError: If there is no such column after that of the words, or tags are before their words.
    """
    blocks = _blocks(lines)
    ahead = []
    for block in blocks:  # up to the first post of two words, which reveals a column of numbers
        ahead.append(block)
        if len(block.rows) > 1:
            break
    cells = [[_cells(line.raw.decode("utf-8", "replace")) for line in block.rows] for block in ahead]
    layout = infer_layout(cells, tag_column)
    if ahead and ahead[0].rows:
        _check_layout(layout, tag_column, ahead[0].rows[0], tag_first=is_tag_first(cells))
    return read_each(chain(ahead, blocks), lambda block: _post(block, layout, images), report)


def _blocks(lines: Iterable[Line]) -> Iterator[_Block]:
    """Group the lines of each post; the last post needs no blank line after it."""
    place, header, comments, rows = 1, None, list[Line](), list[Line]()
    for line in lines:
        if (rows or header) and (line.blank or is_header(line.raw)):
            yield _Block(place, header, comments, rows)
            place, header, comments, rows = place + 1, None, [], []
        if is_header(line.raw, first=not rows and header is None):
            header = line
        elif not rows and (is_comment(line.raw) if header is None else _COMMENT.match(line.raw)):
            comments.append(line)
        elif line.raw.split()[:1] == [DOCUMENT_START.encode()]:
            _refuse_image(line)
        elif not line.blank:
            rows.append(line)
    if rows or header:
        yield _Block(place, header, comments, rows)


def _refuse_image(line: Line) -> None:
    """Reject an image in a line that only begins a document."""
    names = [cell.strip("()[]") for cell in line.raw.decode("utf-8", "replace").split()]
    image = next((name for name in names if split_suffix(name)[1]), None)
    if image is not None:
        line.doubt(f"{DOCUMENT_START} names an image", image, f"Write {IMAGE_HEADER}{image} above each of its posts")


def _check_layout(layout: Layout, tag_column: int | None, line: Line, *, tag_first: bool) -> None:
    """Reject a column that cannot have the tags, and note one that is not the last."""
    if tag_first:
        raise line.error("a tag before its word", "Swap the columns: a word, a tab and its tag per line")
    if layout.width > 1 and not layout.word_column < layout.tag_column < layout.width:
        raise line.error(
            f"{layout.width} columns, where tag_column is {tag_column}",
            f"Choose one from {layout.word_column + 2} to {layout.width}",
        )
    if tag_column is None and layout.tag_column < layout.width - 1:
        line.note(f"the tags are those of column {layout.tag_column + 1}, since the last has none (see tag_column)")


def _post(block: _Block, layout: Layout, images: ImageFolder | None) -> Post:
    post_id, named = _name(block, images)
    if not block.rows and block.header is not None:
        raise block.header.error(f"post {post_id} has no words", "Give its words below the line, or delete it")
    lines = _words_of_conll_u(block.rows) if layout.numbered else block.rows
    if len(lines) < len(block.rows):
        block.rows[0].note("multi-word tokens and empty nodes of CoNLL-U are left out; the words in them are read")
    rows = [_row(line, layout) for line in lines]
    words, tags = [word for word, _ in rows], [tag for _, tag in rows]
    contexts = {}
    if CONTEXT_TAG in tags:
        start = tags.index(CONTEXT_TAG)
        contexts[CONTEXT_KIND] = _context(lines[start:], words[start:], tags[start:])
        words, tags = words[:start], tags[:start]
        if not words:
            raise lines[0].error(f"post {post_id} has a context but no words", "Give its words above <EOS>")
    if layout.has_features and any(tags):
        tags = [tag or OUTSIDE for tag in tags]
    elif layout.has_features:
        block.rows[0].note("posts of CoNLL-U whose last column has no tags are read as not annotated")
    tagged = _tags(lines, tags) if any(tags) else None
    return Post(post_id, tuple(words), tagged, contexts=contexts).with_images(named)


def _words_of_conll_u(rows: list[Line]) -> list[Line]:
    """Leave out multi-word tokens, such as ``1-2`` before ``1``, and empty nodes, such as ``1.1`` after ``1``."""
    numbers = [_cells(line.text)[0] for line in rows]
    kept = []
    for place, (line, number) in enumerate(zip(rows, numbers, strict=True)):
        first, mark, _ = number.partition("-") if "-" in number else number.partition(".")
        others = numbers[place + 1 : place + 2] if mark == "-" else ["0", *numbers]
        if not UNNUMBERED.fullmatch(number) or first not in others:
            kept.append(line)
    return kept


def _tags(rows: list[Line], tags: list[str | None]) -> tuple[str, ...] | None:
    try:
        return tuple(read_tag(tag, line) for line, tag in zip(rows, tags, strict=False) if tag is not None)
    except FormatError as error:
        if not rows[0].notes.lenient:
            raise
        rows[0].note(LEFT_OUT, error.found)
        return None


def _name(block: _Block, images: ImageFolder | None) -> tuple[str, list[Path]]:
    """Return the id and the images of a post."""
    header = block.header
    if header is None:
        ids = [found[1] for line in block.comments if (found := _COMMENT_ID.match(line.text))]
        return ids[-1] if ids else str(block.place), []
    mark, _, post_id = header.text.partition(":")
    post_id = post_id.partition("\t")[0].strip()
    if not post_id:
        raise header.error(f"{mark}: without an id", f"Write {mark}:<id>, the image's name without .jpg")
    if mark.upper() == IMAGE_HEADER[:-1]:
        names = [post_id] if images is None else images.split_ids(post_id)
        if len(names) > 1:
            header.note(f"an {IMAGE_HEADER} of several images is read as their list", post_id)
        paths = [image_path(name, images, header, is_id=True) for name in names]
        return post_id, [path for path in paths if path is not None]
    return post_id, _weibo_images(post_id, images, header)


def _weibo_images(post_id: str, images: ImageFolder | None, header: Line) -> list[Path]:
    """Find the images ``<id>_1.jpg``, ``<id>_2.jpg`` of a post of CMNER."""
    image_path(post_id, images, header, is_id=True)  # rejects an id that leads out of the folder
    return [] if images is None else [images.path / name for name in images.names.numbered(post_id)]


def _row(line: Line, layout: Layout) -> tuple[str, str | None]:
    """Return the word and tag of a line; the tag is ``None`` in a file of one column, or without one in CoNLL-U."""
    cells = _cells(line.text)
    if len(cells) != layout.width or not cells[0]:
        raise line.error(
            f"{len(cells)} columns {cells!r}, where the first word of the file has {layout.width}"
            if cells[0]
            else "a tag without a word",
            "Give every word its tag, after one tab, in every line of the file",
        )
    if layout.width == 1:
        return cells[0], None
    word = cells[layout.word_column]
    if layout.numbered and not cells[0].rstrip(".:)").isdigit():
        raise line.error(
            f"{cells[0]!r}, where the other lines have the number of the word", "Number every word or none"
        )
    tag = layout.tag(cells)
    if tag == "":
        raise line.error(f"the word {word!r} has no tag", "Give it one, O if it is in no entity")
    number = layout.tag_column + 1
    others = [place for place, cell in enumerate(cells, start=1) if place != number and ENTITY_TAG.fullmatch(cell)]
    if not layout.is_chosen and others and others[-1] > layout.word_column + 1:
        line.note(f"the tags are those of column {number}; column {others[-1]} has tags, too (see tag_column)")
    return word, tag


def _context(block: list[Line], words: list[str], tags: list[str | None]) -> str:
    for line, tag in zip(block, tags, strict=True):
        if tag != CONTEXT_TAG:
            raise line.error(f"a word tagged {tag!r} after the context began", "Tag every word after <EOS> with X")
    return " ".join(words[1:] if words[0] == CONTEXT_MARK else words)

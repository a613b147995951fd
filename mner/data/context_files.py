"""Files of texts about images, one kind per file: captions, object tags, OCR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from mner.argument_types import check_type
from mner.data.conll import IMAGE_HEADER
from mner.data.context_texts import context_text
from mner.data.image_matcher import ImageMatcher
from mner.data.image_names import ImageFolder, ImageNames
from mner.data.json_lines import read_values
from mner.data.lines import Line, read_lines
from mner.errors import DataError, FormatError
from mner.posts import Post
from mner.remote_images import remote_path

IMAGE_KEYS = ("image_id", "image", "image_path", "image_name", "file_name", "filename", "img_id", "img")
"""Keys of the image's name in a file of texts; the first one that is there counts."""
KINDS = ("caption", "objects", "ocr", "text")


@dataclass(frozen=True)
class Contexts:
    """One text per image.

    Args:
        by_image: Text by the image's name, as the file spells it; empty where the file says that there is none.
        by_id: Text by post id, of the lines that give an id.
        image_of: The image's name by post id, of the lines that give both.
    """

    by_image: Mapping[str, str] = field(default_factory=dict)
    by_id: Mapping[str, str] = field(default_factory=dict)
    image_of: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def names(self) -> ImageNames:
        """The names of the images, to be looked up."""
        return ImageNames(self.by_image)

    def find(self, post: Post, matcher: ImageMatcher | None = None) -> str | None:
        """The text about a post's image, or the texts about its images, else that of the post's id.

        Args:
            post: The post.
            matcher: Knows all posts, this one too, and the image folder; by default, the post is the only one.

        Returns:
            The text, which may be empty, or ``None`` if nothing is said about the post. Different texts about several
            images are joined in the order of the images: ``a dog; a red car``.
        """
        matcher = matcher or ImageMatcher(self.names, [post])
        names = matcher.match(post)
        if names:
            return "; ".join(dict.fromkeys(text for name in names if (text := self.by_image[name])))
        # An id that comes with the name of another image is the id of another post, as a line number may be.
        other_image = post.image is not None and post.id in self.image_of
        return None if other_image else self.by_id.get(post.id)


def read_contexts(path: str | Path, key: str | None = None, kind: str | None = None) -> Contexts:
    """Read a file of texts about images: a JSON object per line, or an array of them.

    An object has ``image_id`` (or ``image``, ``file_name`` and the like) or ``id``, or both, and the text: under
    ``caption``, ``objects``, ``ocr`` or ``text``, or under any other name if it is the only text of the object. A list
    of texts is joined with commas. What is not a text, such as null, ``None`` or ``<unk>``, is read as none: see
    :func:`mner.data.context_texts.context_text`.

    Args:
        path: The file.
        key: Which text to take, where a line has several.
        kind: What the texts are. Where any line has a text under this name, only those are read, so that one file may
            contain several kinds.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If a line is malformed, or gives an image a second, different text.
        ConfigurationError: If ``path`` is not a path.
    """
    check_type("the file of contexts", path, str)
    by_image: dict[str, str] = {}
    by_id: dict[str, str] = {}
    image_of: dict[str, str] = {}
    if key is None and kind is not None and _has(path, kind):
        key = kind
    line = None
    for record, line in read_values(read_lines(path)):
        if not isinstance(record, Mapping):
            raise line.error(
                f"{record!r:.40}, where a JSON object was expected", 'Write {"image_id": ..., "caption": ...}'
            )
        image = next((name for each in IMAGE_KEYS if (name := _name(record, each, line)) is not None), None)
        post_id = _name(record, "id", line)
        if image is None and post_id is None:
            raise line.error("no image_id and no id", "Write one of them as a string or a whole number")
        text = "" if key == kind is not None and kind not in record else _text(record, key, line)
        if image is not None:
            _set_once(by_image, image, text, line)
        if post_id is not None:
            _set_once(by_id, post_id, text, line)
            if image is not None:
                image_of[post_id] = image
    if line is None:
        raise FormatError(path, None, "there is no text in it", 'Give lines of {"image_id": ..., "caption": ...}')
    line.notes.report()
    return Contexts(by_image, by_id, image_of)


def check_unambiguous(contexts: Contexts, path: Path, images: Path | None, others: Iterable[Path]) -> None:
    """Reject texts of several splits that do not say of which split's image they are.

    Args:
        contexts: The texts.
        path: Their file.
        images: The image folder of one split.
        others: Those of the other splits that share the file.

    Raises:
        DataError: If an image of the texts is in two of the folders; names it.
    """
    if images is None:
        return
    own = ImageFolder(images).names
    for other in others:
        theirs = ImageFolder(other).names
        clash = next((name for name in contexts.by_image if own.find(name) and theirs.find(name)), None)
        if clash is not None:
            raise DataError(
                f"{path} has one text for {clash!r}, which is an image in {images} and another in {other}; name images "
                "with the folders of their splits, as mner caption does, or give each split its own file"
            )


def _has(path: str | Path, kind: str) -> bool:
    return any(isinstance(record, Mapping) and kind in record for record, _ in read_values(read_lines(path)))


def _name(record: Mapping[str, Any], key: str, line: Line) -> str | None:
    value = record.get(key)
    if value is not None and type(value) not in (str, int):
        raise line.error(f"the {key} {value!r}, so no image_id and no id", f"Write {key} as a string or a whole number")
    name = str(value).strip().removeprefix(IMAGE_HEADER)
    if value is None or not name:
        return None
    if key == "id":
        return name
    path = remote_path(name, Path()) if "://" in name else PurePosixPath(name)  # which has no "./" and "//"
    return path.as_posix()


def _text(record: Mapping[str, Any], key: str | None, line: Line) -> str:
    cleaned = {name: context_text(value) for name, value in record.items() if name not in ("id", *IMAGE_KEYS)}
    texts = {name: text for name, text in cleaned.items() if text is not None}
    said = {name: text for name, text in texts.items() if record[name] is not None} or texts
    known = [key] if key is not None else [kind for kind in KINDS if kind in texts] or list(said)
    if len(known) != 1 or known[0] not in texts:
        raise line.error(
            f"expected one text{f' under {key!r}' if key else ''}, found {sorted(texts) or 'none'}",
            'Write the text under "caption"' if not texts else "Say which one is meant: read_contexts(path, key=...)",
        )
    return texts[known[0]]


def _set_once(texts: dict[str, str], name: str, text: str, line: Line) -> None:
    texts[name] = texts.get(name) or text  # a line that says nothing does not contradict one that does
    if text and texts[name] != text:
        raise line.error(f"a second, different text of {name!r}", "Keep one line per image")

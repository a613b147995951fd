"""Texts about images, one kind per file: captions, object tags, OCR; and posts that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from pytorch_lightning.utilities import rank_zero_warn

from mner.data.conll import IMAGE_HEADER
from mner.data.context_texts import context_text
from mner.data.image_matcher import ImageMatcher
from mner.data.image_names import ImageFolder, ImageNames
from mner.data.json_lines import read_values
from mner.data.large_sets import facts_of
from mner.data.lines import Line, read_lines
from mner.data.splits import Split
from mner.errors import DataError, FormatError
from mner.paths import is_file
from mner.posts import Post
from mner.remote_images import remote_path
from mner.terminal import printable

IMAGE_KEYS = ("image_id", "image", "image_path", "image_name", "file_name", "filename", "img_id", "img")
"""Keys of the image's name in a file of texts; the first one that is there counts."""
KINDS = ("caption", "objects", "ocr", "text")
MAY_BE_EMPTY = ("objects", "ocr")
"""Kinds of which an image may have nothing: no object that is known, no letters."""


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


def read_contexts(path: str | Path, key: str | None = None) -> Contexts:
    """Read a file of texts about images: a JSON object per line, or an array of them.

    An object has ``image_id`` (or ``image``, ``file_name`` and the like) or ``id``, or both, and the text: under
    ``caption``, ``objects``, ``ocr`` or ``text``, or under any other name if it is the only text of the object. A list
    of texts is joined with commas. What is not a text, such as null, ``None`` or ``<unk>``, is read as none: see
    :func:`mner.data.context_texts.context_text`.

    Args:
        path: The file.
        key: Which text to take, where a line has several.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If a line is malformed, or gives an image a second, different text.
    """
    by_image: dict[str, str] = {}
    by_id: dict[str, str] = {}
    image_of: dict[str, str] = {}
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
        text = _text(record, key, line)
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


def attach_contexts(
    posts: Sequence[Post], kind: str, contexts: Contexts, images: Path | None = None
) -> tuple[list[Post], int]:
    """Give each post the text about its image, or none; never the text about another post's.

    Args:
        posts: The posts.
        kind: What the text is, for example ``"caption"``.
        contexts: The texts.
        images: The image folder, to which the names in the texts are relative.

    Returns:
        The posts, in order, and how many of them have no such text because the texts say nothing about them. A post
        whose text is empty stays as it is and is not counted: an image may have no letters for OCR to read.
    """
    matcher = ImageMatcher(contexts.names, posts, images)
    attached: list[Post] = []
    missing = 0
    for post in posts:
        text = contexts.find(post, matcher)
        attached.append(replace(post, contexts={**post.contexts, kind: text}) if text else post)
        missing += text is None and kind not in post.contexts
    return attached, missing


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


def lookalikes(posts: Sequence[Post], contexts: Contexts, images: Path | None = None, number: int = 3) -> list[str]:
    """For a few posts of which the texts say nothing: names in the texts that look like their image but are another's.

    Returns:
        For example ``["33.png for 33.jpg"]``, for a message.
    """
    matcher = ImageMatcher(contexts.names, posts, images)
    found = (
        f"{' and '.join(names[:3])} for {post.image.name}"
        for post in posts
        if post.image is not None and contexts.find(post, matcher) is None and (names := matcher.near(post))
    )
    return list(islice(found, number))


def folders_that_share(
    split: Split, files: Mapping[Split, Mapping[str, Path]], images: Mapping[Split, Path | None]
) -> dict[str, list[Path]]:
    """Find the image folders of other splits whose texts are in the same file.

    Args:
        split: A split.
        files: The file of each kind, by split.
        images: The image folder of each split.

    Returns:
        The folders by kind, for :func:`with_contexts`.
    """
    shared: dict[str, list[Path]] = {}
    for kind, path in files[split].items():
        folders = {images[other] for other in files if files[other].get(kind) == path} - {images[split]}
        shared[kind] = sorted(folder for folder in folders if folder is not None)
    return shared


def with_contexts(
    posts: Sequence[Post],
    kinds: Sequence[str],
    files: Mapping[str, Path],
    split: str,
    images: Path | None = None,
    shared: Mapping[str, Sequence[Path]] | None = None,
) -> Sequence[Post]:
    """Attach contexts from their files; missing ones are counted and reported once.

    Args:
        posts: The posts.
        kinds: The kinds of context to attach. A kind that every post already has needs no file.
        files: File of each kind.
        split: Name of the split, for the message.
        images: The image folder, to which the names in the files are relative.
        shared: Image folders of other splits that share the file of a kind.

    Raises:
        DataError: If a kind has no file and is not in the posts, or if its file is missing, is of other posts, or names
            an image without its folder that several splits have.
    """
    for kind in kinds:
        hint = ""
        if kind in files:
            if not is_file(files[kind]):
                raise DataError(f"no file {files[kind]} with a {kind} for the {split} posts; correct context_files")
            contexts = read_contexts(files[kind])
            check_unambiguous(contexts, files[kind], images, (shared or {}).get(kind, ()))
            attached, missing = attach_contexts(posts, kind, contexts, images)
            near = lookalikes(posts, contexts, images) if missing else ()
            hint = f" ({files[kind].name} has {'; '.join(near)})" if near else ""
            if missing == len(posts):
                raise DataError(
                    f"{files[kind]} has no {kind} of the {len(posts)} {split} posts{hint}; correct context_files"
                )
            posts = attached
            if kind not in MAY_BE_EMPTY:
                missing = len(posts) - facts_of(posts).contexts.get(kind, 0)
        elif facts_of(posts).contexts.get(kind):
            missing = len(posts) - facts_of(posts).contexts[kind]
        else:
            raise DataError(
                f"no {kind} for the {split} posts: they have none, and there is no file; "
                "name it with context_files, or make it with mner caption"
            )
        if missing:
            rank_zero_warn(
                f"{missing} of {len(posts)} {split} posts have no {kind}: the model reads them without it{hint}"
            )
    return posts


def warn_of_surplus(posts: Sequence[Post], kinds: Sequence[str], known: Set[str], split: str) -> set[str]:
    """Warn of contexts that the model does not read, once per kind.

    Args:
        posts: The posts of a split.
        kinds: The kinds that the model reads.
        known: Kinds that were reported before.
        split: Name of the split, for the message.

    Returns:
        The kinds that were reported now.
    """
    counts = facts_of(posts).contexts
    surplus = counts.keys() - {*kinds, *known}
    for kind in sorted(surplus):
        rank_zero_warn(
            printable(
                f"{counts[kind]} of {len(posts)} {split} posts have the context {kind!r}, which the model does not "
                f"read ({', '.join(kinds) or 'none'}); contexts names those that it is trained with"
            )
        )
    return surplus


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

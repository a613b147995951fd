"""Writing posts to files: complete or not at all, and with an exact round trip through the reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pytorch_lightning.utilities import rank_zero_warn

from mner.data.conll import CONTEXT_KIND, CONTEXT_MARK, CONTEXT_TAG, IMAGE_HEADER
from mner.data.readers import iter_posts
from mner.errors import DataError, FormatError
from mner.files import atomic_write
from mner.post_json import post_to_dict, to_json
from mner.posts import Post
from mner.remote_images import RemoteImages, address_of
from mner.terminal import printable
from mner.unicode import repair_surrogates

_NAMES = tuple(field.name for field in fields(Post))
_TEXTS = tuple(name for name in _NAMES if name not in ("image", "more_images"))


def write_json_lines(posts: Iterable[Post], path: str | Path, *, images: str | Path | None = None) -> None:
    """Write posts as JSON lines, with all their fields.

    Lone surrogates, which UTF-8 cannot encode, are repaired and reported.

    Args:
        posts: The posts.
        path: The file, replaced if it exists; a failure leaves it unchanged.
        images: The image folder, to which image names are written relative.

    Raises:
        DataError: If a post would not read back equal; names it and what differs.
        OutputError: If the file cannot be written.
    """
    _write(posts, Path(path), _json_line, None if images is None else Path(images), "JSON lines")


def write_conll(posts: Iterable[Post], path: str | Path, *, images: str | Path | None = None) -> None:
    """Write posts as CoNLL, in the layout of Twitter-2015 and 2017; the context ``"context"`` is appended to the words.

    CoNLL has ids, words and tags, and images only as ``<id>.jpg``. Posts with more information are rejected: write JSON
    lines, or remove with ``dataclasses.replace`` what may be lost. Lone surrogates, which UTF-8 cannot encode, are
    repaired and reported.

    Args:
        posts: The posts.
        path: The file, replaced if it exists; a failure leaves it unchanged.
        images: The image folder of the posts.

    Raises:
        DataError: If a post would not read back equal; names it and what differs.
        OutputError: If the file cannot be written.
    """
    _write(posts, Path(path), _conll_block, None if images is None else Path(images), "CoNLL")


def post_record(post: Post, images: Path | None) -> dict[str, Any]:
    """Describe a post as a record that reads back equal; image names are relative to the image folder, or addresses."""
    record = post_to_dict(post, [_relative(image, images) for image in post.images])
    if post.text is not None and post.spans is not None:  # their texts settle the unit of the bounds
        record["character_spans"] = [
            {"start": start, "end": end, "type": kind, "text": post.text[start:end]} for start, end, kind in post.spans
        ]
    if post.is_raw:  # a reader tokenizes raw text again, with offsets and tags
        # Readers leave white space at the ends of entities out, but not of exact spans.
        surfaces = [(post.text or "")[start:end] for start, end, _ in post.spans or ()]
        is_exact = any(surface != surface.strip() for surface in surfaces)
        key = "character_spans" if is_exact else "entities"
        record = {key if name == "character_spans" else name: value for name, value in record.items()}
        record = {name: value for name, value in record.items() if name not in ("words", "tags", "offsets")}
    return record


def _json_line(post: Post, images: Path | None) -> str:
    try:
        return to_json(post_record(post, images)) + "\n"
    except (TypeError, ValueError) as error:
        raise DataError(f"the metadata of post {post.id!r} is not plain JSON: {error}; leave that out") from error


def _conll_block(post: Post, images: Path | None) -> str:
    rows = [[word] for word in post.words] if post.tags is None else list(zip(post.words, post.tags, strict=True))
    lines = ["\t".join(row) for row in rows]
    if post.image is not None:
        lines.insert(0, f"{IMAGE_HEADER}{post.id}")
    if CONTEXT_KIND in post.contexts:
        words = [CONTEXT_MARK, *post.contexts[CONTEXT_KIND].split(" ")]
        lines += [f"{word}\t{CONTEXT_TAG}" for word in words]
    return "\n".join(lines) + "\n\n"


def _relative(image: Path, images: Path | None) -> str:
    if images is None or not image.is_relative_to(images):
        return image.as_posix()
    return address_of(image) or image.relative_to(images).as_posix()


def _write(
    posts: Iterable[Post], path: Path, encode: Callable[[Post, Path | None], str], images: Path | None, format: str
) -> None:
    """Write, read back and compare; an existing file is replaced only if they are equal."""
    posts = writable(posts, path, images)
    with atomic_write(path) as stream:
        stream.writelines(encode(post, images) for post in posts)
        stream.flush()
        compare(posts, Path(stream.name), images, format)


def writable(posts: Iterable[Post], path: Path, images: Path | None) -> list[Post]:
    """Return posts that can be written to a file: with surrogates repaired, unique ids, and images in the folder.

    Args:
        posts: The posts.
        path: The file.
        images: The image folder.

    Raises:
        DataError: If there are none, or ids or absolute image paths would make them read back differently.
    """
    posts = _repaired(posts, path)
    if not posts:
        raise DataError(f"no posts to write to {path}")
    name, times = Counter(post.id for post in posts).most_common(1)[0]
    if times > 1:
        raise DataError(f"{times} posts have the id {name!r}; give every post of a file a unique id")
    for post in posts:
        absolute = [image for image in post.images if images is None and image.is_absolute()]
        if absolute:
            raise DataError(
                f"the image of post {post.id!r} has the absolute path {absolute[0]}; give the image folder "
                "(images=...), so that names relative to it can be written"
            )
    return posts


def _repaired(posts: Iterable[Post], path: Path) -> list[Post]:
    """Return the posts without lone surrogates."""
    repaired, faulty = [], 0
    if isinstance(posts, Post) or not isinstance(posts, Iterable):
        raise DataError(f"expected posts to write to {path}, got a {type(posts).__name__}; give a list of them")
    for post in posts:
        if not isinstance(post, Post):
            raise DataError(
                f"expected posts to write to {path}, got a {type(post).__name__}; read them with read_posts"
            )
        texts, halves = repair_surrogates({name: getattr(post, name) for name in _TEXTS})
        repaired.append(replace(post, **texts) if halves else post)
        faulty += bool(halves)
    if faulty:
        rank_zero_warn(
            f"{printable(path)}: lone surrogates, halves of cut emoji, were replaced by U+FFFD in {faulty} posts"
        )
    return repaired


def compare(posts: Sequence[Post], draft: Path, images: Path | None, format: str) -> None:
    """Read a draft back.

    Raises:
        DataError: If it does not have the posts that were written; names the first that differs.
    """
    try:
        addresses = [address for post in posts for image in post.images if (address := address_of(image)) is not None]
        protocols = sorted({address.partition("://")[0].lower() for address in addresses})
        read = list(iter_posts(draft, images=images, remote=RemoteImages(protocols) if protocols else None))
    except FormatError as error:
        raise DataError(f"these posts cannot be written as {format}: {error.found}. {error.remedy}") from error
    for post, back in zip(posts, read, strict=False):
        for name in _NAMES:
            mine, other = getattr(post, name), getattr(back, name)
            if mine != other:
                raise DataError(
                    f"post {post.id!r} cannot be written as {format}: its {name} {mine!r:.80} would be read back as "
                    f"{other!r:.80}; write another format, or change it with dataclasses.replace"
                )
    if len(posts) != len(read):
        raise DataError(f"these posts cannot be written as {format}: {len(posts)} would be read back as {len(read)}")

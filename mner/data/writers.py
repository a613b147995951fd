"""Posts to files, whole or not at all, and exactly as a reader will give them back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from mner.data.conll import CONTEXT_KIND, CONTEXT_MARK, CONTEXT_TAG, IMAGE_HEADER
from mner.data.readers import iter_posts
from mner.errors import DataError, FormatError
from mner.files import atomic_write
from mner.posts import Post


def write_json_lines(posts: Iterable[Post], path: str | Path, *, images: Path | None = None) -> None:
    """Write posts as JSON lines, the paper's layout with whatever else a post knows.

    Args:
        posts: The posts.
        path: The file, replaced if it exists; written beside it first, so that a failure leaves it as it was.
        images: The image folder, which is left out of the images' names.

    Raises:
        DataError: If a post would not read back equal; names it and what differs.
    """
    posts = list(posts)
    _write(posts, Path(path), (_json_line(post, images) for post in posts), images, "JSON lines")


def write_conll(posts: Iterable[Post], path: str | Path, *, images: Path | None = None) -> None:
    """Write posts as CoNLL, in the layout of Twitter-2015 and 2017; the context ``"context"`` is appended to the words.

    CoNLL holds ids, words and tags, and of an image only that it is ``<id>.jpg``. Posts that know more are refused:
    write JSON lines, or take out what may be lost with ``dataclasses.replace``.

    Args:
        posts: The posts.
        path: The file, replaced if it exists; written beside it first, so that a failure leaves it as it was.
        images: The image folder, which is left out of the images' names.

    Raises:
        DataError: If a post would not read back equal; names it and what differs.
    """
    posts = list(posts)
    _write(posts, Path(path), (_conll_block(post) for post in posts), images, "CoNLL")


def _json_line(post: Post, images: Path | None) -> str:
    record: dict[str, Any] = {"id": post.id}
    if post.image is not None:
        name = _relative(post.image, images)
        # Without a suffix, image_id would be read as the id of a JPEG.
        record["image_id" if post.image.suffix else "image"] = name
    record["tokens"] = post.words
    more = {
        "label": post.tags,
        "contexts": post.contexts or None,
        "text": post.text,
        "offsets": post.offsets,
        "metadata": post.metadata or None,
    }
    record |= {key: value for key, value in more.items() if value is not None}
    try:
        return json.dumps(record, ensure_ascii=False, default=dict) + "\n"
    except (TypeError, ValueError) as error:
        raise DataError(f"the metadata of post {post.id!r} is not plain JSON: {error}; leave that out") from error


def _conll_block(post: Post) -> str:
    rows = [[word] for word in post.words] if post.tags is None else list(zip(post.words, post.tags, strict=True))
    lines = ["\t".join(row) for row in rows]
    if post.image is not None:
        lines.insert(0, f"{IMAGE_HEADER}{post.id}")
    if CONTEXT_KIND in post.contexts:
        words = [CONTEXT_MARK, *post.contexts[CONTEXT_KIND].split(" ")]
        lines += [f"{word}\t{CONTEXT_TAG}" for word in words]
    return "\n".join(lines) + "\n\n"


def _relative(image: Path, images: Path | None) -> str:
    return (image.relative_to(images) if images is not None and image.is_relative_to(images) else image).as_posix()


def _write(posts: Sequence[Post], path: Path, texts: Iterable[str], images: Path | None, format: str) -> None:
    """Write, read back and compare; the former file is replaced only if they are equal."""
    if not posts:
        raise DataError(f"there are no posts to write to {path}")
    name, times = Counter(post.id for post in posts).most_common(1)[0]
    if times > 1:
        raise DataError(f"{times} posts have the id {name!r}; give every post of a file its own")
    with atomic_write(path) as stream:
        # What UTF-8 cannot hold becomes a question mark, which the comparison then refuses.
        stream.writelines(texts)
        stream.flush()
        _compare(posts, Path(stream.name), images, format)


def _compare(posts: Sequence[Post], draft: Path, images: Path | None, format: str) -> None:
    try:
        read = list(iter_posts(draft, images=images))
    except FormatError as error:
        raise DataError(f"these posts cannot be written as {format}: {error.found}. {error.remedy}") from error
    for post, back in zip(posts, read, strict=False):
        for name in (each.name for each in fields(Post)):
            mine, other = getattr(post, name), getattr(back, name)
            if mine != other:
                raise DataError(
                    f"post {post.id!r} cannot be written as {format}: its {name} {mine!r:.80} would be read back as "
                    f"{other!r:.80}; write another format, or change it with dataclasses.replace"
                )
    if len(posts) != len(read):
        raise DataError(f"these posts cannot be written as {format}: {len(posts)} would be read back as {len(read)}")

"""Unlabelled posts, for pre-training and for aligning views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path

from mner.data.large_files import open_posts
from mner.data.large_sets import changed, joined
from mner.errors import DatasetNotFoundError
from mner.paths import is_folder
from mner.posts import Post


def read_unlabelled(paths: Sequence[str | Path], images: str | Path | None = None) -> Sequence[Post]:
    """Read posts for ``data.extra_posts``, in pre-training or with ``align_views``; their tags are dropped.

    Args:
        paths: Files in any format that mner reads, or of one raw text per line.
        images: The folder of their images; without it, the posts have no images.

    Raises:
        DatasetNotFoundError: If a file or the folder is not there.
        FormatError: If a file is malformed.
    """
    folder = None if images is None else Path(images).absolute()
    if folder is not None and not is_folder(folder):
        raise DatasetNotFoundError(f"{folder}: no such folder; give that of the extra posts' images")
    files = [open_posts(Path(path), images=folder, lenient=True) for path in paths]
    return reduce(joined, (changed(posts, partial(_unlabelled, seen=folder is not None)) for posts in files), [])


def _unlabelled(post: Post, seen: bool) -> Post:
    return replace(post, tags=None, spans=None, boxes=None).with_images(post.images if seen else ())

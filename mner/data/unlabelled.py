"""Unlabelled posts for pre-training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mner.data.readers import iter_posts
from mner.errors import DatasetNotFoundError
from mner.paths import is_folder
from mner.posts import Post


def read_unlabelled(paths: Sequence[str | Path], images: str | Path | None = None) -> list[Post]:
    """Read posts for pre-training, for ``data.extra_posts``; their tags are dropped.

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
    return [
        replace(post, tags=None, spans=None, boxes=None, image=None if folder is None else post.image)
        for path in paths
        for post in iter_posts(path, images=folder, lenient=True)
    ]

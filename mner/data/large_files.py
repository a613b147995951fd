"""Large files of posts, read once into a cache folder and then mapped into the memory of every process."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

import mner
from mner.data.cache import cache_folder, only_writer
from mner.data.columns import Columns
from mner.data.detection import Format
from mner.data.gmner import box_folder
from mner.data.image_names import ImageFolder
from mner.data.large_sets import image_paths
from mner.data.readers import no_posts, read_posts, row_reader, stream_posts
from mner.data.stored_posts import FACTS_FILE, LAYOUT, StoredPosts, store_posts
from mner.data.table_rows import RowReader
from mner.output_paths import output_errors
from mner.paths import is_file, is_folder, is_there
from mner.posts import Post
from mner.remote_images import RemoteImages
from mner.terminal import printable

LARGE = 8 << 20
"""Size in bytes from which a file is stored; its posts would take ten times as much memory."""
_READING = "reading.json"


def open_posts(
    path: Path,
    *,
    images: Path | None = None,
    format: Format | None = None,
    annotator: str | int | None = None,
    tag_column: int | None = None,
    columns: Columns | None = None,
    remote: RemoteImages | None = None,
    lenient: bool = False,
) -> list[Post] | StoredPosts:
    """Read every post of a file, as :func:`mner.data.read_posts` does; those of a large file stay on the disk.

    They are stored by the content of the file in ``$MNER_CACHE/posts``, by default ``~/.cache/mner/posts``, by the
    first process that reads it; others wait for it. What was noted about the file is reported again.

    Args:
        path: As in :func:`mner.data.read_posts`.
        images: The image folder.
        format: The format.
        annotator: Whose annotation to read.
        tag_column: The column of the tags in CoNLL.
        columns: The names of the columns.
        remote: What images may be fetched.
        lenient: Whether the posts are read as by :func:`mner.data.iter_posts` with the same option.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If it is malformed.
        OutputError: If the cache folder cannot be written.
    """
    kept = size_of(path) < LARGE or box_folder(path) is not None
    if not kept and find_spec("pyarrow") is None:
        rank_zero_info(f"{path} is read into memory; with pip install 'mner[tables]' its posts would stay on the disk")
        kept = True
    make = row_reader(None if images is None else ImageFolder(images, remote), annotator, columns)
    how: dict[str, Any] = {"format": format, "tag_column": tag_column, "lenient": lenient}
    if kept and lenient:
        return list(stream_posts(path, make, **how))
    if kept:
        return read_posts(
            path,
            images=images,
            format=format,
            annotator=annotator,
            tag_column=tag_column,
            columns=columns,
            remote=remote,
        )
    options = how | {
        "annotator": make.annotator,
        "columns": columns,
        "remote": remote,
        "images": images and images.absolute(),
    }
    folder = cache_folder() / "posts" / _key(path, options)
    stored = _stored(folder, make.images) if is_folder(folder) else None  # of a cache that is read-only, too
    if stored is None:
        with only_writer(folder):
            stored = _stored(folder, make.images) or _store(path, make, how, folder)
    for note in _reading(stored)["notes"]:
        rank_zero_warn(note)
    return stored


def size_of(path: Path) -> int:
    """Return the size of a file, or of all files in a folder, in bytes; 0 if it is not there."""
    return sum(file.stat().st_size for file in _files(path)) if is_there(path) else 0


def _files(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if is_file(each)) if is_folder(path) else [path]


def _key(path: Path, options: dict[str, Any]) -> str:
    """Identify the content of a file and how it is read; messages and errors name its path."""
    described = [mner.__version__, LAYOUT, str(path), options]
    digest = blake2b(json.dumps(described, default=str, sort_keys=True).encode(), digest_size=16)
    for file in _files(path):
        digest.update(f"\n{file.name}\n".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _stored(folder: Path, images: ImageFolder | None) -> StoredPosts | None:
    """Return posts that were stored earlier, unless the image folder has changed so that others might be read."""
    places = (folder / name for name in _listings(folder, images))
    place = next((place for place in places if is_file(place / FACTS_FILE)), None)
    if place is None:
        return None
    stored = StoredPosts(place)
    if _reading(stored)["saved"] and not all(map(is_file, image_paths(stored))):
        return None  # images within the table must be written again
    return stored


def _store(path: Path, make: RowReader, how: dict[str, Any], folder: Path) -> StoredPosts:
    rank_zero_info(printable(f"{path}: storing its posts in {folder}, which is done once"))
    part = folder / "unfinished"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        facts = store_posts(stream_posts(path, make, **how), part)
    if not facts.posts:
        shutil.rmtree(part)
        raise no_posts(path)
    notes = [str(each.message) for each in caught]
    place = folder / _listing(make.images if make.images is not None and make.images.is_listed else None)
    with output_errors(place, always=True):
        (part / _READING).write_text(json.dumps({"notes": notes, "saved": make.num_saved > 0}), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
    return StoredPosts(place)


def _listings(folder: Path, images: ImageFolder | None) -> Iterator[str]:
    yield _listing(None)
    if images is not None and any(folder.iterdir()):
        yield _listing(images)


def _listing(images: ImageFolder | None) -> str:
    """Name stored posts by the files of the image folder, if names of images had to be looked for among them."""
    if images is None:
        return "exact"
    digest = blake2b(digest_size=8)
    for name in images.names:
        digest.update(f"{name}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _reading(stored: StoredPosts) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((stored.folder / _READING).read_text(encoding="utf-8"))
    return record

"""The state of the image files of posts: missing, unusable, small or repeated."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mner.data.image_names import ImageFolder, relative_name
from mner.errors import ImageError, MissingImageError
from mner.images import ImageLoader
from mner.remote_images import RemoteImages, address_of

SMALL = 32  # pixels per side; below, an image is an icon


@dataclass(frozen=True, slots=True)
class ImageReport:
    """The images of a split.

    Args:
        folder: The folder that was searched.
        named: Number of images that posts name.
        missing: Names, relative to the folder, without a file.
        near_misses: For some of these, files with similar names: ``{"33.jpg": ["33.png", "train/33.jpg"]}``.
        unreadable: Names of files that training, captioning and tagging cannot use either, each with the reason.
        small: Names of images that are used, although a side has fewer than 32 pixels.
        repeated: Number of images whose file has the same bytes as another post's, as a placeholder for lost images.
    """

    folder: str
    named: int
    missing: list[str]
    near_misses: dict[str, list[str]]
    unreadable: dict[str, str]
    small: list[str]
    repeated: int


def check_images(paths: Sequence[Path], folder: Path, remote: RemoteImages | None = None) -> ImageReport:
    """Open every image as training does.

    Args:
        paths: The images of all posts.
        folder: The image folder; a file outside it is unreadable.
        remote: What images at an address may be fetched into it.
    """
    load = ImageLoader((folder,), remote=remote)
    with ThreadPoolExecutor() as pool:
        states = list(pool.map(lambda path: _state(path, load), paths))
    missing, small, unreadable = [], [], {}
    for path, (fault, _) in zip(paths, states, strict=True):
        name = address_of(path) or relative_name(path, folder)
        if fault == "missing":
            missing.append(name)
        elif fault == "small":
            small.append(name)
        elif fault is not None:
            unreadable[name] = fault
    missing, small = ([*dict.fromkeys(names)] for names in (missing, small))  # several posts may have the same image
    files = ImageFolder(folder).names
    near_misses = {name: near for name in missing if (near := files.near(name))}
    # Several posts may share one image file; a placeholder is the same content under several names.
    contents = Counter(digest for _, digest in dict(zip(paths, states, strict=True)).values() if digest is not None)
    repeated = sum(digest is not None and contents[digest] > 1 for _, digest in states)
    return ImageReport(str(folder), len(paths), missing, near_misses, unreadable, small, repeated)


def _state(path: Path, load: ImageLoader) -> tuple[str | None, str | None]:
    """Return the fault of an image, and a fingerprint of its content."""
    digest = None
    try:
        with load.open(path) as file:
            digest = hashlib.blake2b(file.read(), digest_size=16).hexdigest()
        size = load(path).size
    except MissingImageError:
        return "missing", None
    except ImageError as error:
        return f"{error}", digest
    return ("small" if min(size) < SMALL else None), digest

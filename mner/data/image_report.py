"""The state of the image files that posts name: there, readable, large enough to show something, or not."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SMALLEST = 32  # pixels a side; below, a picture is an icon or a counting pixel


@dataclass(frozen=True, slots=True)
class ImageReport:
    """The images of a split.

    Args:
        folder: Where they were looked for.
        named: How many posts name an image.
        missing: Names without a file.
        unreadable: Names of files that are empty, truncated, or no image.
        tiny: Names of images under 32 pixels wide or high.
        repeated: How many images are byte for byte another post's too, as a placeholder for lost pictures is.
    """

    folder: str
    named: int
    missing: list[str]
    unreadable: list[str]
    tiny: list[str]
    repeated: int


def check_images(paths: Sequence[Path], folder: Path) -> ImageReport:
    """Open every image.

    Args:
        paths: One path a post that names an image.
        folder: The image folder, for the report.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")  # of Pillow, about large or odd images
        states = list(pool.map(_state, paths))
    named: dict[str, list[str]] = {"missing": [], "unreadable": [], "tiny": []}
    for path, (fault, _) in zip(paths, states, strict=True):
        if fault is not None:
            named[fault].append(path.name)
    # A post's own picture may be named by several posts; a placeholder is the same content under several names.
    contents = Counter(digest for _, digest in dict(zip(paths, states, strict=True)).values() if digest is not None)
    repeated = sum(digest is not None and contents[digest] > 1 for _, digest in states)
    return ImageReport(str(folder), len(paths), named["missing"], named["unreadable"], named["tiny"], repeated)


def _state(path: Path) -> tuple[str | None, str | None]:
    """What is wrong with an image, and a fingerprint of its content."""
    from PIL import Image

    try:
        content = path.read_bytes()
    except OSError:
        return "missing", None
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    try:
        with Image.open(io.BytesIO(content)) as image:
            size = image.size
            image.draft("RGB", (SMALLEST, SMALLEST))  # JPEGs decode at an eighth: fast, yet to their last byte
            image.load()
    except Exception:  # Pillow's decoders raise whatever a corrupt file leads them into
        return "unreadable", None
    return ("tiny" if min(size) < SMALLEST else None), digest

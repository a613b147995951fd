"""Reading image files from the wild: an RGB picture or one error, and never a file outside the image folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mner.errors import ConfigurationError, ImageError

SHORTEST_SIDE = 8
"""Pixels: anything smaller is a tracking pixel or a rule, not a picture."""
LARGEST_ASPECT_RATIO = 20.0
"""Long side over short side: a longer strip would shrink to a line, or take gigabytes to scale up."""
MOST_PIXELS = 64_000_000
"""Width times height that is still decoded, 192 MB in memory: more is a decompression bomb, not a post's picture."""
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF")
"""What is decoded. EPS and its like are left out: Pillow would start another program on a stranger's file."""


def locate_image(path: str | Path, folders: Sequence[str | Path] = ()) -> Path:
    """The real file behind an image's path.

    Args:
        path: The image.
        folders: The image folders; empty where the caller vouches for the path.

    Returns:
        The path, absolute, with links and ``..`` resolved.

    Raises:
        ImageError: If there is no such file, or it lies outside the folders: by name, by ``../``, or by a link.
    """
    try:
        found = Path(path).resolve()
        if folders and not any(found.is_relative_to(Path(folder).resolve()) for folder in folders):
            raise ImageError(f"{path}: lies outside the image folder {', '.join(map(str, folders))}")
        if not found.exists():
            raise ImageError(f"{path}: no such file")
        if not found.is_file():
            raise ImageError(f"{path}: not a file")
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL in the name, no permission
        raise ImageError(f"{path}: {error}") from error
    return found


def load_image(path: str | Path, folders: Sequence[str | Path] = ()) -> Image.Image:
    """Read an image file as an RGB picture, upright, the first frame, transparency on white.

    Args:
        path: The image.
        folders: The image folders, outside of which nothing is read; empty where the caller vouches for the path.

    Raises:
        ImageError: If the file is missing, empty, truncated, corrupt, not an image, outside ``folders``, smaller than
            :data:`SHORTEST_SIDE`, longer than :data:`LARGEST_ASPECT_RATIO`, or larger than :data:`MOST_PIXELS`.
    """
    file = locate_image(path, folders)
    Image.init()
    try:
        if not file.stat().st_size:
            raise ImageError(f"{path}: the file is empty")
        with Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            _check_size(path, *image.size)
            image.load()
            return _to_rgb(_upright(image))
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not an image, or of a format other than {', '.join(FORMATS)}") from None
    except Exception as error:  # what Pillow's decoders raise on a broken file is not a closed list
        raise ImageError(f"{path}: {str(error) or type(error).__name__}") from error


@dataclass(frozen=True)
class ImageLoader:
    """The policy on images: where they may lie, and what a bad one means.

    Args:
        folders: The image folders: no file outside them is read. Empty where callers vouch for their paths.
        on_bad_image: ``mask`` treats a post whose image cannot be used as a post without one; ``error`` stops.

    Raises:
        ConfigurationError: If ``on_bad_image`` is neither.
    """

    folders: tuple[Path, ...] = ()
    on_bad_image: Literal["mask", "error"] = "mask"

    def __post_init__(self) -> None:
        """Check the policy's name."""
        if self.on_bad_image not in ("mask", "error"):
            raise ConfigurationError(f"expected on_bad_image to be mask or error, got {self.on_bad_image!r}")

    def __call__(self, path: Path) -> Image.Image:
        """Read an image; see :func:`load_image`."""
        return load_image(path, self.folders)

    def locate(self, path: Path) -> Path:
        """The real file behind an image's path; see :func:`locate_image`."""
        return locate_image(path, self.folders)


def _check_size(path: str | Path, width: int, height: int) -> None:
    short, long = sorted((width, height))
    if short < SHORTEST_SIDE:
        raise ImageError(f"{path}: {width}x{height} pixels, tiny: a side has fewer than {SHORTEST_SIDE}")
    if long / short > LARGEST_ASPECT_RATIO:
        raise ImageError(f"{path}: {width}x{height} pixels, a strip longer than {LARGEST_ASPECT_RATIO:g} to 1")
    if width * height > MOST_PIXELS:
        raise ImageError(f"{path}: {width}x{height} pixels, enormous: more than {MOST_PIXELS:,}")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF data say nothing about the pixels, which did decode
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which convert would clip to white
        values = np.asarray(image, dtype=np.int64).clip(0, 65535) // 257
        image = Image.fromarray(values.astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("the pixels are floating-point numbers, whose white is unknown")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")

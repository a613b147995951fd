"""The only way to open image files, in checks, training, captioning and tagging: formats, limits and policy."""

from __future__ import annotations

import io
import os
import stat
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from mner.errors import ConfigurationError, ImageError, MissingImageError
from mner.git_lfs import BEGINNING, REASON
from mner.remote_images import RemoteImages

MIN_SIDE = 8
"""Minimum pixels per side: anything smaller is a tracking pixel or a rule, not an image with content."""
MAX_ASPECT_RATIO = 20.0
"""Maximum ratio of the sides: a longer strip would shrink to a line, or take gigabytes to scale up."""
MAX_PIXELS = 64_000_000
"""Maximum width times height, 192 MB when decoded: more is a decompression bomb, not a post's image."""
MAX_BYTES = 256_000_000
"""Maximum file size: some decoders read the whole file first."""
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF")
"""Formats that are decoded. PostScript is excluded, since Pillow would run another program on an untrusted file."""
ALIKE = {"CUR": "TGA or CUR"}
"""Formats that begin alike, where Pillow knows the beginning of only one."""
ImageSource: TypeAlias = "str | Path | bytes | Image.Image | NDArray[np.uint8]"

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_PNG_TEXT = 1000
"""Maximum bytes of a text chunk for Pillow: deflated, it expands to less than the megabyte that Pillow refuses."""
_MAX_PNG_TEXTS = 50 * _MAX_PNG_TEXT
"""Maximum bytes of all text chunks of an image for Pillow, which refuses 64 megabytes."""
_NOT_OPENED = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}


def locate_image(path: str | Path, folders: Sequence[str | Path] = ()) -> Path:
    """Resolve an image's path to a regular file.

    Args:
        path: The image.
        folders: The image folders; empty if the caller vouches for the path.

    Returns:
        The path, absolute, with links and ``..`` resolved.

    Raises:
        ImageError: If there is no such file, it is not a regular file, or its name leads out of the folders, by ``../``
            or as an absolute path. A link within a folder is followed, wherever it leads: whoever made the folder made
            the link, whereas names come from data files.
    """
    return Path(_locate(path, folders)[0])


def open_image_file(path: str | Path, folders: Sequence[str | Path] = ()) -> BinaryIO:
    """Open a regular file for reading; never waits, and never reads from a pipe, a device or outside the folders.

    Args:
        path: The image.
        folders: The image folders; empty if the caller vouches for the path.

    Raises:
        ImageError: As :func:`locate_image`; also if the file is empty or larger than :data:`MAX_BYTES`.
    """
    found, located = _locate(path, folders)
    try:
        # Without waiting for a writer, in case a pipe replaced the file after it was located.
        descriptor = os.open(found, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error
    file = os.fdopen(descriptor, "rb")
    try:
        status = os.fstat(descriptor)
        _check_regular(path, status)
        if not os.path.samestat(status, located):
            raise ImageError(f"{path}: it was replaced by another file while it was opened")
        if not status.st_size:
            raise ImageError(f"{path}: the file is empty")
        if status.st_size > MAX_BYTES:
            raise ImageError(f"{path}: {status.st_size:,} bytes, larger than {MAX_BYTES:,}")
    except BaseException:
        file.close()
        raise
    return file


def load_image(
    source: ImageSource,
    folders: Sequence[str | Path] = (),
    name: str = "the image",
    max_pixels: int = MAX_PIXELS,
    min_side: int | None = None,
) -> Image.Image:
    """Read an image as RGB: upright, the first frame, transparency on white.

    Args:
        source: The path of a file, the content of one, an open Pillow image, which is not modified, or an array of
            bytes of shape ``(height, width, 3)``.
        folders: The image folders, outside of which no file is read; empty if the caller vouches for the path.
        name: What errors call an image that is not a file.
        max_pixels: Maximum width times height; checked before the image is decoded.
        min_side: Shorter side that the caller needs: a JPEG file is decoded at the smallest of a half, a quarter and an
            eighth of its size that has it, which is several times as fast. ``None`` decodes every pixel.

    Raises:
        ImageError: If the file is missing, not a regular file, empty, truncated, corrupt, not an image, outside
            ``folders``, or beyond ``max_pixels`` or one of the limits :data:`MIN_SIDE`, :data:`MAX_ASPECT_RATIO` and
            :data:`MAX_BYTES`.
    """
    if isinstance(source, Image.Image):
        return _decode(name, lambda: source, max_pixels)
    if isinstance(source, np.ndarray):
        return _decode(name, lambda: _from_array(source), max_pixels)
    if isinstance(source, bytes):
        return _decode(name, lambda: _open(io.BytesIO(source)), max_pixels, min_side)
    if not isinstance(source, (str, Path)):
        raise ImageError(f"expected a path, bytes, a Pillow image or an array, got {type(source).__name__}")
    with open_image_file(source, folders) as file:
        return _decode(f"{source}", lambda: _open(file), max_pixels, min_side)


def image_size(path: str | Path) -> tuple[int, int]:
    """Return width and height of an image file, upright, without decoding its pixels.

    Raises:
        ImageError: If there is no such file, or it is not an image.
    """
    with open_image_file(path) as file:
        try:
            image = _open(file)
        except Exception as error:  # Pillow's decoders can raise anything on a broken file
            raise ImageError(f"{path}: {str(error) or type(error).__name__}") from error
    width, height = image.size
    return (height, width) if _is_turned(image) else (width, height)


@dataclass(frozen=True)
class ImageLoader:
    """The policy on images: which folders they may be in, and what happens to a bad one.

    Args:
        folders: The image folders: no file outside them is read. Empty if callers vouch for their paths.
        on_bad_image: ``mask`` leaves out an image that cannot be used; ``error`` stops.
        min_side: Shorter side that is needed of an image, see :func:`load_image`.
        remote: How images at an address are fetched into the folder when they are first used; ``None`` fetches none.

    Raises:
        ConfigurationError: If ``on_bad_image`` is neither.
    """

    folders: tuple[Path, ...] = ()
    on_bad_image: Literal["mask", "error"] = "mask"
    min_side: int | None = None
    remote: RemoteImages | None = None

    def __post_init__(self) -> None:
        """Check the policy's name."""
        if self.on_bad_image not in ("mask", "error"):
            raise ConfigurationError(f"expected on_bad_image to be mask or error, got {self.on_bad_image!r}")

    def __call__(self, source: ImageSource) -> Image.Image:
        """Read an image; see :func:`load_image`."""
        self._provide(source)
        return load_image(source, self.folders, min_side=self.min_side)

    def locate(self, path: Path) -> Path:
        """Resolve an image's path to a regular file; see :func:`locate_image`."""
        self._provide(path)
        return locate_image(path, self.folders)

    def open(self, path: Path) -> BinaryIO:
        """Open an image's file; see :func:`open_image_file`."""
        self._provide(path)
        return open_image_file(path, self.folders)

    def _provide(self, source: ImageSource) -> None:
        if self.remote is not None and isinstance(source, (str, Path)):
            self.remote.provide(Path(_named_path(source, self.folders)))


def _locate(path: str | Path, folders: Sequence[str | Path]) -> tuple[str, os.stat_result]:
    """Return the real path of a regular file within the folders, and the file's status at that time."""
    try:
        found = os.path.realpath(_named_path(path, folders))
        status = os.lstat(found)
        if stat.S_ISLNK(status.st_mode):
            raise ImageError(f"{path}: a loop of links")
        _check_regular(path, status)
    except FileNotFoundError:
        raise MissingImageError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # a NUL in the name, no permission
        raise ImageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    return found, status


def _named_path(path: str | Path, folders: Sequence[str | Path]) -> str:
    """Return a path without ``..`` that is within the folders, as it is written or with its links followed."""
    named = os.path.abspath(path)  # noqa: PTH100  Path.absolute keeps ..
    places = (named, os.path.realpath(named))
    roots = {root for folder in folders for root in (os.path.abspath(folder), os.path.realpath(folder))}  # noqa: PTH100
    if folders and not any(place.startswith(root.rstrip(os.sep) + os.sep) for place in places for root in roots):
        raise ImageError(f"{path}: outside the image folder {', '.join(map(str, folders))}")
    return named


def _check_regular(path: str | Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _NOT_OPENED.get(stat.S_IFMT(status.st_mode), "a device")
        raise ImageError(f"{path}: {kind}, not a regular file")


def _decode(name: str, opener: Callable[[], Image.Image], max_pixels: int, min_side: int | None = None) -> Image.Image:
    """Check an image's size, decode it and convert it to RGB, raising one type of error for whatever goes wrong."""
    try:
        image = opener()
        _check_size(*image.size, max_pixels)
        if min_side is not None:
            image.draft(None, (min_side, min_side))  # does nothing but to a JPEG
        image.load()
        return _to_rgb(_upright(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name}: enormous: {error}") from None
    except Exception as error:  # Pillow's decoders can raise anything on a broken file
        raise ImageError(f"{name}: {str(error) or type(error).__name__}") from error


def _from_array(array: NDArray[Any]) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (2,), (3,), (4,)):
        raise ValueError(
            f"an array of shape {array.shape} and type {array.dtype}, where one of shape (height, width, 3) and type "
            "uint8 was expected"
        )
    return Image.fromarray(array)


def _open(file: BinaryIO) -> Image.Image:
    """Open an image in one of :data:`FORMATS`, without decoding it."""
    Image.init()
    start = file.read(len(BEGINNING))
    file.seek(0)
    try:
        return Image.open(
            _without_large_texts(file) if start.startswith(_PNG_SIGNATURE) else file,
            formats=[name for name in FORMATS if name in Image.OPEN],
        )
    except UnidentifiedImageError:
        raise ValueError(_why_not(start)) from None


def _without_large_texts(file: BinaryIO) -> BinaryIO:
    """Strip a PNG of its colour profile and long texts, which do not affect pixels but exceed Pillow's limits."""
    kept = [file.read(len(_PNG_SIGNATURE))]
    texts = 0
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        body = file.read(min(length + 4, MAX_BYTES))
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            texts += length
            if length > _MAX_PNG_TEXT or texts > _MAX_PNG_TEXTS:
                continue
        if kind != b"iCCP":
            kept += (header, body)
    return io.BytesIO(b"".join([*kept, header]))


def _why_not(start: bytes) -> str:
    """Explain why Pillow does not open a file, from its first bytes."""
    if start == BEGINNING:
        return REASON
    names = [name for name, (_, accepts) in Image.OPEN.items() if accepts is not None and _accepts(accepts, start)]
    readable = [name for name in names if name in FORMATS]
    if readable:
        return f"corrupt: begins like {readable[0]} but cannot be opened as such"
    if start[4:8] == b"ftyp":
        return "a HEIF, AVIF or video file, which this Pillow cannot decode; pillow-heif adds HEIF"
    kind = f"of the format {ALIKE.get(names[0], names[0])}" if names else "not an image"
    return f"{kind}; expected one of {', '.join(FORMATS)}"


def _accepts(accepts: Callable[[bytes], object], start: bytes) -> bool:
    try:
        return accepts(start) is True
    except Exception:  # as in Pillow: a plugin that fails on a file does not accept it
        return False


def _check_size(width: int, height: int, max_pixels: int) -> None:
    short, long = sorted((width, height))
    if short < MIN_SIDE:
        raise ValueError(f"{width}x{height} pixels, tiny: a side has fewer than {MIN_SIDE}")
    if long / short > MAX_ASPECT_RATIO:
        raise ValueError(f"{width}x{height} pixels, a strip longer than {MAX_ASPECT_RATIO:g} to 1")
    if width * height > max_pixels:
        raise ValueError(f"{width}x{height} pixels, enormous: more than {max_pixels:,}")


def _is_turned(image: Image.Image) -> bool:
    """Whether width and height change places where an image is made upright."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception:  # as in _upright
        return False


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF data do not affect the pixels, which were decoded
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits per pixel, which convert would clip to white
        values = np.asarray(image, dtype=np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("the pixels have 32 bits, whose white is unknown")
        image = Image.fromarray((values // 257).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("the pixels are floating-point numbers, whose white is unknown")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")

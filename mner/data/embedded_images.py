"""Images within data: bytes, base64, data URLs, Pillow images, arrays, and what ``datasets`` makes of them."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import numpy as np
from PIL import Image

from mner.errors import DataError
from mner.images import MAX_BYTES, load_image

_DATA_URL = re.compile(r"data:[\w/+.;=-]*;base64,", re.IGNORECASE)
_SUFFIX_OF = {
    b"\xff\xd8": ".jpg",
    b"\x89P": ".png",
    b"GI": ".gif",
    b"RI": ".webp",
    b"BM": ".bmp",
    b"II": ".tif",
    b"MM": ".tif",
}
_BASE64 = re.compile(r"([/_]9j[/_]|iVBORw0KGgo|R0lGOD|UklGR|SUkqA|TU0AK|Qk)[\w+/\s-]{60,}=*\s*", re.ASCII)
"""The first bytes of a JPEG, PNG, GIF, WebP, TIFF or BMP file in base64, and more of it than a file name has."""
_URL_SAFE = str.maketrans("-_", "+/")


def is_embedded(value: Any) -> bool:
    """Whether a value contains an image, or is an object that may contain one.

    Example:
        >>> is_embedded("33.jpg"), is_embedded("data:image/png;base64,iVBORw0KGgo="), is_embedded(b"GIF89a")
        (False, True, True)
    """
    if isinstance(value, str):
        return _DATA_URL.match(value) is not None or _BASE64.fullmatch(value) is not None
    return isinstance(value, (bytes, bytearray, memoryview, Mapping, Image.Image)) or _is_array(value)


def content_of(value: Any) -> tuple[str | None, bytes | None]:
    """Return the name of an embedded image, if it has one, and its content, if it has any.

    Raises:
        DataError: If the content cannot be decoded, or is too large, or an object has neither name nor content.
        ImageError: If a Pillow image or an array cannot be used.
    """
    name = None
    if isinstance(value, Mapping):  # of datasets
        if value and not value.keys() & {"bytes", "path"}:
            keys = ", ".join(map(str, value))
            raise DataError(f"expected an image as an object with bytes or path, got one with {keys:.60}")
        name, value = value.get("path"), value.get("bytes")
        name = None if name is None else str(name)
    if value is None:
        return name, None
    if isinstance(value, (bytearray, memoryview)):
        value = bytes(value)
    if _is_array(value):
        value = np.asarray(value)
    if isinstance(value, (np.ndarray, Image.Image)):
        file = io.BytesIO()
        load_image(value).save(file, "PNG")
        value = file.getvalue()
    if isinstance(value, str):
        try:
            value = _decoded(value)
        except (binascii.Error, ValueError) as error:
            raise DataError(f"an image in base64 that cannot be decoded ({error})") from error
    if not isinstance(value, bytes) or len(value) > MAX_BYTES:
        raise DataError(f"an image that is not of bytes, or of more than {MAX_BYTES:,}")
    return name, value


def _is_array(value: Any) -> bool:
    """Whether a value is an array of pixels, of NumPy or another library, and not one of names."""
    return hasattr(value, "__array__") and getattr(value, "ndim", 0) > 1


def _decoded(text: str) -> bytes:
    """Decode base64 or a data URL of it: of either alphabet, with or without padding, white space and URL escapes."""
    found = _DATA_URL.match(text)
    text = text if found is None else unquote(text[found.end() :])
    text = "".join(text.split()).rstrip("=").translate(_URL_SAFE)
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def suffix_of(content: bytes) -> str:
    """Return the suffix of an image file by its first bytes."""
    return _SUFFIX_OF.get(content[:2], ".jpg")

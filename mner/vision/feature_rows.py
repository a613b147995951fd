"""Image features as bytes, one value per image, and back."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import prod
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError

Row: TypeAlias = "dict[str, NDArray[Any]]"
Layout: TypeAlias = "tuple[tuple[str, np.dtype[Any], tuple[int, ...]], ...]"

_HEADER = struct.Struct("<I")


def encode_rows(features: ImageFeatures, half_precision: bool) -> Iterator[bytes]:
    """Encode the features of B images, each when it is asked for.

    Args:
        features: B rows.
        half_precision: Keep floating-point numbers other than boxes in half precision, else in single precision.

    Raises:
        ConfigurationError: If a number is not finite, or too large for half precision.
    """
    parts: Row = {}
    for name, part in vars(features).items():
        if part is None:
            continue
        if part.is_floating_point():
            part = part.half() if half_precision and name != "boxes" else part.float()
            if not all(extreme.isfinite() for extreme in part.aminmax()):
                raise ConfigurationError(
                    f"the encoder's {name} are not finite"
                    + (", or exceed half precision; store them in single precision" if half_precision else "")
                )
        parts[name] = part.cpu().contiguous().numpy()
    layout = json.dumps([[name, array.dtype.str, array.shape[1:]] for name, array in parts.items()]).encode()
    start = _HEADER.pack(len(layout)) + layout
    return (b"".join((start, *(array[row] for array in parts.values()))) for row in range(len(features.regions)))


def decode_rows(values: Sequence[memoryview | bytes | None]) -> ImageFeatures:
    """Decode the features of B images into memory of their own.

    Args:
        values: What :func:`encode_rows` returned; ``None`` gives a row of zeros that is masked out. At least one is
            given.

    Returns:
        Floating-point numbers in single precision; images with fewer regions than others are padded.
    """
    rows = [None if value is None else _decode(value) for value in values]
    present = [row for row in rows if row is not None]
    parts: dict[str, torch.Tensor] = {}
    for name, first in present[0].items():
        shape = tuple(map(max, zip(*(row[name].shape for row in present), strict=True)))
        array = np.zeros((len(rows), *shape), dtype=first.dtype)
        for target, row in zip(array, rows, strict=True):
            if row is not None:
                target[tuple(map(slice, row[name].shape))] = row[name]
        part = torch.from_numpy(array)
        parts[name] = part.float() if part.is_floating_point() else part
    return ImageFeatures(**parts)


def _decode(value: memoryview | bytes) -> Row:
    (length,) = _HEADER.unpack_from(value)
    offset = _HEADER.size + length
    row: Row = {}
    for name, dtype, shape in _layout(bytes(value[_HEADER.size : offset])):
        count = prod(shape)
        row[name] = np.frombuffer(value, dtype, count, offset).reshape(shape)
        offset += count * dtype.itemsize
    return row


@lru_cache(maxsize=64)
def _layout(described: bytes) -> Layout:
    return tuple((name, np.dtype(dtype), tuple(shape)) for name, dtype, shape in json.loads(described))

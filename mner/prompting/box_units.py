"""Boxes in the units in which vision-language models name them, as fractions of the image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from mner.posts import Box

BoxUnit = Literal["pixels", "thousandths", "fractions"]
"""``pixels`` of the image as the model saw it (Qwen2.5-VL), ``thousandths`` of its sides (Qwen3-VL), ``fractions``."""


def fractions(boxes: Iterable[tuple[float, ...]], unit: BoxUnit, image_size: tuple[int, int] | None) -> tuple[Box, ...]:
    """Convert boxes to fractions of width and height.

    Corners are sorted and clipped to the image; a box without area in the image is left out.

    Args:
        boxes: Corners ``(x1, y1, x2, y2)``.
        unit: Their unit.
        image_size: Width and height of the image as the model saw it, in pixels; without an image there are no boxes.

    Example:
        >>> fractions([(500, 1000, 0, 250)], "thousandths", (640, 480))
        ((0.0, 0.25, 0.5, 1.0),)
    """
    if image_size is None:
        return ()
    width, height = image_size if unit == "pixels" else (1000, 1000) if unit == "thousandths" else (1, 1)
    found = []
    for x1, y1, x2, y2 in boxes:
        left, right = sorted(min(max(x / width, 0.0), 1.0) for x in (x1, x2))
        top, bottom = sorted(min(max(y / height, 0.0), 1.0) for y in (y1, y2))
        if left < right and top < bottom:
            found.append((left, top, right, bottom))
    return tuple(found)


def in_unit(box: Box, unit: BoxUnit | None) -> list[float]:
    """Convert a box of fractions to ``thousandths``, or round it.

    Example:
        >>> in_unit((0.0, 0.25, 0.5, 1.0), "thousandths")
        [0, 250, 500, 1000]
    """
    return [round(1000 * corner) if unit == "thousandths" else round(corner, 3) for corner in box]

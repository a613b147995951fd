"""Gold boxes of entities in data files, as fractions of the image's width and height."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mner.data.fields import object_of
from mner.data.lines import Line
from mner.data.spans import Span
from mner.errors import ImageError
from mner.images import image_size
from mner.post_json import is_number
from mner.posts import Box, Boxes, is_box

KEY = "entity_boxes"
SIZE_KEY = "image_size"
Pixels = tuple[float, float, float, float]
Bounds = tuple[int, int]


def read_entity_boxes(
    record: Mapping[str, Any], spans: Sequence[Span] | None, image: Path | None, line: Line
) -> Boxes | None:
    """Read the gold boxes of a record: ``boxes`` of its spans, or ``entity_boxes`` with bounds of their own.

    Coordinates up to 1 are fractions. If one of them is larger, all boxes of the post are in pixels, of an image of the
    ``image_size`` ``[width, height]``, or of the file; without either, they are left out, and noted.

    Args:
        record: The record.
        spans: Its spans in the unit of the annotation; ``None`` if it has tags.
        image: Its image.
        line: Its line.

    Returns:
        The boxes by the bounds of their entity; ``None`` if the record has none.

    Raises:
        FormatError: If a box or the size of the image is malformed.
    """
    items = record.get(KEY)
    if items is None and not any(span.boxes is not None for span in spans or ()):
        return None
    if items is not None and not isinstance(items, list):
        raise line.error(f"{KEY} is {items!r:.60}", f'Write "{KEY}": [{{"start": 0, "end": 2, "box": [0, 0, 0.5, 1]}}]')
    found: dict[Bounds, list[Pixels]] = {}
    for bounds, value in [
        *(_item(item, line) for item in items or ()),
        *(((span.start, span.end), box) for span in spans or () for box in _several(span.boxes, line)),
    ]:
        found.setdefault(bounds, []).append(_corners(value, line))
    if all(side <= 1 for boxes in found.values() for box in boxes for side in box):
        size: tuple[float, float] | None = (1, 1)
    else:
        size = _size(record, image, line)
    if size is None:
        line.note(f"boxes in pixels of images of unknown size were left out: give the image folder, or {SIZE_KEY}")
        return None
    notes: dict[str, int] = {}
    boxes = fractions(found, size, notes)
    for what in notes:
        line.note(f"{what} were found")
    return boxes


def annotated_size(metadata: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the width and height of an image that its boxes are of, ``None`` without two whole numbers of pixels."""
    size = metadata.get(SIZE_KEY)
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        return None
    return (size[0], size[1]) if all(type(side) is int and side > 0 and is_number(side) for side in size) else None


def fractions(pixels: Mapping[Bounds, Sequence[Pixels]], size: tuple[float, float], notes: dict[str, int]) -> Boxes:
    """Convert boxes to fractions of the image; what is beyond the image is cut off.

    Args:
        pixels: Corners ``(x1, y1, x2, y2)`` in pixels, by any bounds.
        size: Width and height of the image.
        notes: Counts of faults, which are added to.

    Returns:
        The boxes that have an area.
    """
    converted: dict[Bounds, tuple[Box, ...]] = {}
    for bounds, several in pixels.items():
        for x1, y1, x2, y2 in several:
            sides = x1 / size[0], y1 / size[1], x2 / size[0], y2 / size[1]
            x1, y1, x2, y2 = (min(max(side, 0.0), 1.0) for side in sides)
            box = x1, y1, x2, y2
            if not is_box(box):
                _count(notes, "boxes without an area in the image, which are left out,")
                continue
            if box != sides:
                _count(notes, "boxes partly outside the image, which are cut off at its border,")
            converted[bounds] = (*converted.get(bounds, ()), box)
    return converted


def _count(notes: dict[str, int], what: str) -> None:
    notes[what] = notes.get(what, 0) + 1


def _item(item: Any, line: Line) -> tuple[Bounds, Any]:
    start, end = (item.get("start"), item.get("end")) if isinstance(item, dict) else (None, None)
    if type(start) is not int or type(end) is not int:
        raise line.error(
            f"{KEY} has {item!r:.80}, which is not the box of a span",
            'Write {"start": 0, "end": 2, "box": [0, 0, 1, 1]}',
        )
    return (start, end), item.get("box")


def _several(boxes: Any, line: Line) -> Sequence[Any]:
    if boxes is None:
        return ()
    if not isinstance(boxes, list):
        raise line.error(f"the boxes {boxes!r:.60} of an entity", 'Write "boxes": [[x1, y1, x2, y2]], or []')
    return boxes if not boxes or isinstance(boxes[0], list) else [boxes]


def _corners(value: Any, line: Line) -> Pixels:
    numbers = value if isinstance(value, list) and len(value) == 4 else [None]
    if not all(map(is_number, numbers)):
        raise line.error(f"the box {value!r:.80}", "Write [x1, y1, x2, y2], fractions of width and height, or pixels")
    x1, y1, x2, y2 = map(float, numbers)
    return x1, y1, x2, y2


def _size(record: Mapping[str, Any], image: Path | None, line: Line) -> tuple[float, float] | None:
    given = record if record.get(SIZE_KEY) is not None else object_of(record, "metadata", line)
    if given.get(SIZE_KEY) is not None:
        if (size := annotated_size(given)) is not None:
            return size
        raise line.error(f"{SIZE_KEY} is {given[SIZE_KEY]!r:.60}", f'Write "{SIZE_KEY}": [width, height], in pixels')
    try:
        return None if image is None else image_size(image)
    except ImageError:
        return None

"""Boxes of images in a JSON Lines file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mner.errors import DataError, DatasetNotFoundError, FormatError
from mner.paths import is_file
from mner.post_json import from_json, is_number

EXPECTED = 'Expected {"image": "17_06_1818.jpg", "boxes": [[x1, y1, x2, y2], ...]}, corners in pixels'


@dataclass(frozen=True)
class ImageBoxes:
    """The boxes of one image, best first.

    Args:
        line: Where they are in the file, counted from 1.
        corners: Corners ``(x1, y1, x2, y2)`` in pixels of the upright image, shape ``(N, 4)``.
        scores: Shape ``(N,)``; ones if the file has none.
    """

    line: int
    corners: NDArray[np.float64]
    scores: NDArray[np.float64]


def read_box_file(path: Path) -> dict[str, ImageBoxes]:
    """Read a file of boxes: a JSON object per line, with ``image``, ``boxes`` and optionally ``scores``.

    Args:
        path: The file.

    Returns:
        The boxes by the name of the image. They are sorted by score if there are scores; otherwise their order is that
        of the file.

    Raises:
        DatasetNotFoundError: If there is no such file.
        FormatError: If a line is not such an object, or an image has two lines; names the line.
    """
    if not is_file(path):
        raise DatasetNotFoundError(f"no file of boxes at {path.absolute()}; {EXPECTED}, one per line")
    found: dict[str, ImageBoxes] = {}
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            name, boxes = _parse(line, number, path)
            if name in found:
                problem = f"a second line for the image {name!r}, after line {found[name].line}"
                raise FormatError(path, number, problem, "Write all boxes of an image into one line")
            found[name] = boxes
    if not found:
        raise FormatError(path, None, "no boxes", f"{EXPECTED}, one per line")
    return found


def _parse(line: bytes, number: int, path: Path) -> tuple[str, ImageBoxes]:
    try:
        record: Any = from_json(line)
    except (ValueError, DataError) as error:
        raise FormatError(path, number, f"not JSON ({error})", EXPECTED) from None
    if not isinstance(record, dict) or not isinstance(record.get("image"), str) or "boxes" not in record:
        raise FormatError(path, number, f"an object without image and boxes: {line[:80]!r}", EXPECTED)
    corners = _numbers(record["boxes"], path, number)
    wrong = (corners[:, :2] >= corners[:, 2:]).any(axis=1)
    if wrong.any():
        problem = f"the box {corners[wrong][0].tolist()} has no area"
        raise FormatError(path, number, problem, "Expected x1 < x2 and y1 < y2, not the width and height of a box")
    scores = record.get("scores")
    if scores is None:
        return record["image"], ImageBoxes(number, corners, np.ones(len(corners)))
    if not isinstance(scores, list) or len(scores) != len(corners) or not all(map(is_number, scores)):
        raise FormatError(path, number, f"scores that are not {len(corners)} numbers", "Expected one score per box")
    order = np.argsort(-np.array(scores, dtype=np.float64), kind="stable")
    return record["image"], ImageBoxes(number, corners[order], np.array(scores, dtype=np.float64)[order])


def _numbers(boxes: Any, path: Path, number: int) -> NDArray[np.float64]:
    rows = boxes if isinstance(boxes, list) else [None]
    for row in rows:
        if not isinstance(row, list) or len(row) != 4 or not all(map(is_number, row)):
            raise FormatError(path, number, f"a box that is not four finite numbers: {row!r:.80}", EXPECTED)
    return np.array(rows, dtype=np.float64).reshape(-1, 4)

"""Where the regions of an image encoder lie in an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError
from mner.vision.encoder import ImageEncoder


def region_places(encoder: ImageEncoder, image: Image.Image, features: ImageFeatures) -> NDArray[np.float64]:
    """The box of each region of one image, in its pixels.

    A detector returns its boxes. For a grid, two ramps as large as the image go through the encoder's own transform,
    whose brightness shows where each pixel of the result came from: so any scaling and cropping is followed.

    Args:
        encoder: What encoded the image.
        image: The image, upright, as :func:`~mner.vision.load_image` reads it.
        features: Its features, in a batch of one.

    Returns:
        Corners ``(x1, y1, x2, y2)``, shape ``(R, 4)``, row by row for a grid.

    Raises:
        ConfigurationError: If the encoder gives no places: regions from a file without boxes.
    """
    count = features.regions.shape[1]
    if features.boxes is not None:
        boxes: NDArray[np.float64] = features.boxes[0].cpu().double().numpy()
        return boxes * np.tile(np.array(image.size, dtype=np.float64), 2)
    rows, columns = grid_shape(encoder, image, count)
    across, down = _origins(encoder, image)
    x, y = np.linspace(*across, columns + 1), np.linspace(*down, rows + 1)
    left, top = np.meshgrid(x[:-1], y[:-1])
    right, bottom = np.meshgrid(x[1:], y[1:])
    return np.stack([left, top, right, bottom], axis=-1).reshape(-1, 4)


def grid_shape(encoder: ImageEncoder, image: Image.Image, count: int) -> tuple[int, int]:
    """Rows and columns of a grid of so many regions.

    Raises:
        ConfigurationError: If the encoder gives no grid for an image.
    """
    shape = encoder.image_transform(image).shape  # PrecomputedRegions refuses here
    if len(shape) == 3:
        height, width = shape[1:]
        rows = round((count * height / width) ** 0.5)
        if rows and count % rows == 0 and abs(count / rows * height - rows * width) < 1e-6 * height * width + width:
            return rows, count // rows
    raise ConfigurationError(
        f"{type(encoder).__name__} gives {count} regions and neither boxes nor a grid, so that nobody knows where in "
        "the image they lie; attention to them can be written but not drawn"
    )


def _origins(encoder: ImageEncoder, image: Image.Image) -> tuple[tuple[float, float], tuple[float, float]]:
    """First and last place in the image that the transformed image shows, across and down, in pixels."""
    width, height = image.size
    black, white = (
        encoder.image_transform(Image.new("RGB", image.size, colour)).numpy() for colour in ("black", "white")
    )
    ends = []
    for axis, length in ((1, width), (0, height)):
        ramp = np.linspace(0, 255, length)
        plane = np.broadcast_to(ramp if axis else ramp[:, None], (height, width)).round().astype(np.uint8)
        seen = encoder.image_transform(Image.fromarray(np.repeat(plane[..., None], 3, axis=2))).numpy()
        bright = ((seen - black) / np.where(white == black, 1, white - black)).mean(axis=0).mean(axis=1 - axis)
        ends.append(_line(bright, length))
    return ends[0], ends[1]


def _line(bright: NDArray[np.float64], length: int) -> tuple[float, float]:
    """Where a row of pixels begins and ends, from a straight line through the places of their middles."""
    places = bright * (length - 1) + 0.5
    inside = (bright > 0.01) & (bright < 0.99)  # beyond, an empty border looks like the end of the image
    index = np.flatnonzero(inside)
    slope, start = np.polyfit(index, places[index], 1) if len(index) > 1 else (length / len(bright), 0.5)
    return float(start - slope / 2), float(start + slope * (len(bright) - 0.5))

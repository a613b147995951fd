"""A bright square in a picture lights up the grid cell whose place holds it; boxes are scaled to the picture."""

import numpy as np
import pytest
import torch
from PIL import Image

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError
from mner.testing import TinyGrid
from mner.vision import Grid
from mner.vision.region_places import region_places


def features(count, boxes=None):
    regions = torch.zeros(1, count, 4)
    return ImageFeatures(regions, torch.ones(1, count, dtype=torch.bool), regions[:, 0], boxes=boxes)


@pytest.fixture(scope="module", params=[{}, {"crop_mode": "squash"}, {"crop_pct": 1.0}], ids=str)
def encoder(request):
    return Grid("test_resnet", weights=None, image_size=160, preprocessing=request.param)


@pytest.mark.parametrize("size", [(400, 250), (200, 500), (160, 160)], ids=str)
@pytest.mark.parametrize("cell", [0, 7, 12, 23])
def test_a_square_at_a_cells_place_lights_that_cell(encoder, size, cell):
    black = Image.new("RGB", size)
    x1, y1, x2, y2 = region_places(encoder, black, features(25))[cell]
    inside = (x1 + 0.25 * (x2 - x1), y1 + 0.25 * (y2 - y1), x2 - 0.25 * (x2 - x1), y2 - 0.25 * (y2 - y1))
    white = Image.new("RGB", size)
    white.paste("white", tuple(round(side) for side in inside))
    lit = (encoder.image_transform(white) - encoder.image_transform(black)).mean(dim=0)
    cells = lit.reshape(5, 32, 5, 32).mean(dim=(1, 3)).flatten()
    assert cells.argmax() == cell
    assert cells[cell] / cells.sum() > 0.95
    assert cells[cell] / lit.max() == pytest.approx(0.25, abs=0.06)  # half as wide and half as high as its cell


def test_a_squashed_picture_is_covered_whole():
    encoder = Grid("test_resnet", weights=None, image_size=160, preprocessing={"crop_mode": "squash", "crop_pct": 1.0})
    places = region_places(encoder, Image.new("RGB", (400, 250)), features(25))
    assert places[0, :2] == pytest.approx([0, 0], abs=1.5)
    assert places[-1, 2:] == pytest.approx([400, 250], abs=1.5)
    assert np.all(places[:, 2:] > places[:, :2])


def test_boxes_are_fractions_of_the_picture():
    boxes = torch.tensor([[[0.0, 0.5, 0.25, 1.0], [0.1, 0.1, 0.9, 0.9]]])
    places = region_places(TinyGrid(), Image.new("RGB", (200, 100)), features(2, boxes))
    assert places.tolist() == [[0, 50, 50, 100], pytest.approx([20, 10, 180, 90])]


def test_regions_that_are_no_grid_are_refused(encoder):
    with pytest.raises(ConfigurationError, match="neither boxes nor a grid"):
        region_places(encoder, Image.new("RGB", (50, 50)), features(10))

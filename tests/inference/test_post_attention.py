"""A large picture is drawn small, with its regions where they were."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mner.fusion import Attention
from mner.inference.post_attention import PostAttention
from mner.posts import Entity, Post

WEIGHTS = torch.tensor([[[0.5, 0.5, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4], [0.3, 0.0, 0.3, 0.4]]])
PLACES = np.array([[x, y, x + 400, y + 400] for y in (0, 400) for x in (200, 600)], dtype=float)


@pytest.fixture
def record():
    post = Post(words=("New", "York", "sings"), id="1", image=Path("folder/one.jpg"))
    attention = Attention(WEIGHTS, {"visual": torch.tensor([[0.0, 0.5, 1.0]])}, torch.ones(1, 3, dtype=torch.bool))
    picture = np.zeros((800, 1200, 3), dtype=np.uint8)
    picture[400:, 200:600] = 255  # the third cell
    return PostAttention(post, [Entity("LOC", 0, 2, "New York")], attention, picture, PLACES, (2, 2), None)


def test_a_cell_covers_the_same_part_of_the_smaller_picture(record):
    picture, heat = record.draw("words").axes[1].images
    seen = np.asarray(picture.get_array())
    assert seen.shape[:2] == (400, 600)
    left, right, bottom, top = heat.get_extent()
    assert (left, right, top, bottom) == (100, 500, 0, 400)
    rows, columns = np.nonzero(seen[..., 0] > 0.5)
    assert (columns.min(), columns.max() + 1) == pytest.approx((left, (left + right) / 2), abs=1)
    assert (rows.min(), rows.max() + 1) == pytest.approx(((top + bottom) / 2, bottom), abs=1)


def test_an_entity_looks_as_its_words_do_on_average(record):
    (look,) = record.looks("entities")
    assert (look.label, look.start, look.end) == ("New York [LOC]", 0, 2)
    assert look.regions == pytest.approx([0.3, 0.35, 0.15, 0.2])
    assert look.gates == {"visual": pytest.approx(0.25)}


def test_the_record_keeps_the_pixels_of_the_whole_picture(record):
    plain = record.to_dict()
    assert (plain["size"], plain["image"]) == ([1200, 800], "one.jpg")
    assert plain["places"][3] == [600, 400, 1000, 800]
    assert np.allclose(plain["regions"], WEIGHTS[0])

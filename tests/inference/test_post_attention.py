"""Every method that attends says what it looks at; a large image is drawn small, its regions where they were."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mner.fusion
from mner.components import to_config
from mner.errors import ConfigurationError
from mner.fusion import TransformerAttention
from mner.fusion.attention import Attention
from mner.inference.post_attention import ATTENDING, PostAttention, attend
from mner.labels import labels_for
from mner.posts import Entity, Post
from mner.testing import tiny_text_encoder
from mner.text import VisualBertText
from mner.vision import Grid

WEIGHTS = torch.tensor([[[0.5, 0.5, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4], [0.3, 0.0, 0.3, 0.4]]])
PLACES = np.array([[x, y, x + 400, y + 400] for y in (0, 400) for x in (200, 600)], dtype=float)


@pytest.fixture
def record():
    post = Post(words=("New", "York", "sings"), id="1", image=Path("folder/one.jpg"))
    attention = Attention(WEIGHTS, {"visual": torch.tensor([[0.0, 0.5, 1.0]])}, torch.ones(1, 3, dtype=torch.bool))
    image = np.zeros((800, 1200, 3), dtype=np.uint8)
    image[400:, 200:600] = 255  # the third cell
    return PostAttention(post, [Entity("LOC", 0, 2, "New York")], attention, image, PLACES, (2, 2), None)


def test_a_cell_covers_the_same_part_of_the_smaller_picture(record):
    pytest.importorskip("matplotlib")
    image, heat = record.draw("words").axes[1].images
    seen = np.asarray(image.get_array())
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


def test_the_boxes_of_entities_are_drawn_into_the_image_and_recorded(record):
    pytest.importorskip("matplotlib")
    assert not record.draw("words").axes[0].patches
    assert "boxes" not in record.to_dict()["entities"][0]
    record.entities = [Entity("LOC", 0, 2, "New York", boxes=((0.25, 0.5, 0.5, 1.0),))]
    for regions in (WEIGHTS, None):  # with panels, or with a table of gates
        record.attention.regions = regions
        first = record.draw("words").axes[0]
        (box,) = first.patches
        assert box.get_bbox().extents == pytest.approx([150, 200, 300, 400])
        assert [text.get_text() for text in first.texts] == ["New York LOC"]
    assert record.to_dict()["entities"][0]["boxes"] == [[0.25, 0.5, 0.5, 1.0]]


def test_the_record_keeps_the_pixels_of_the_whole_picture(record):
    plain = record.to_dict()
    assert (plain["size"], plain["image"]) == ([1200, 800], "one.jpg")
    assert plain["places"][3] == [600, 400, 1000, 800]
    assert np.allclose(plain["regions"], WEIGHTS[0])


@pytest.mark.parametrize("method", sorted(set(mner.fusion.__all__) - {"Attention", "FusionModule", "TextOnly"}))
def test_the_methods_that_are_named_attend_and_no_others(tmp_path, method):
    pytest.importorskip("matplotlib")
    torch.manual_seed(0)
    Image.effect_noise((90, 60), 80).convert("RGB").save(tmp_path / "one.png")
    post = Post(words=("Kevin", "in", "Oslo"), id="1", image=tmp_path / "one.png")
    text = tiny_text_encoder()
    if issubclass(getattr(mner.fusion, method), TransformerAttention):
        text = VisualBertText("tiny", architecture=to_config(text)["init_args"]["architecture"])
    image = Grid("test_resnet", weights=None, image_size=64)
    model = getattr(mner.fusion, method)(labels=labels_for(("LOC",)), text_encoder=text, image_encoder=image).eval()
    if method in ("Concatenation", "GraphFusion", "LateFusion", "VisualPrefix"):
        with pytest.raises(ConfigurationError, match="attends to no regions"):
            attend(model, post)
        return
    record = attend(model, post)
    looks = record.looks("words")
    assert [look.label for look in looks] == ["Kevin", "in", "Oslo"]
    assert (method in ATTENDING.replace(",", "").split()) == all(look.regions is not None for look in looks)
    for look in looks:
        assert look.regions is None or look.regions.sum() == pytest.approx(1, abs=1e-4)
        assert look.regions is not None or look.gates
    assert len(record.draw("words").axes) > 1


@pytest.mark.parametrize("squash", [False, True])  # with the cells of a squashed image as boxes, and without
def test_the_attention_to_several_images_is_told_apart(tmp_path, squash):
    torch.manual_seed(0)
    for name, size in (("a", (90, 60)), ("b", (60, 90))):
        Image.effect_noise(size, 80).convert("RGB").save(tmp_path / f"{name}.png")
    paths = [tmp_path / "a.png", tmp_path / "missing.png", tmp_path / "b.png"]
    post = Post("1", ("Kevin", "in", "Oslo")).with_images(paths)
    preprocessing = {"crop_mode": "squash", "crop_pct": 1.0} if squash else None
    image = Grid("test_resnet", weights=None, image_size=64, preprocessing=preprocessing)
    method = mner.fusion.VisualAttention
    model = method(labels=labels_for(("LOC",)), text_encoder=tiny_text_encoder(), image_encoder=image).eval()
    model.preprocessor = model.preprocessor.using(quiet=True)
    first, last = (attend(model, post, number) for number in (0, 2))
    looks = [np.stack([look.regions for look in each.looks("words")]) for each in (first, last)]
    assert np.concatenate(looks, axis=1).sum(axis=1) == pytest.approx(np.ones(3), abs=1e-4)
    assert [each.to_dict()["image"] for each in (first, last)] == ["a.png", "b.png"]
    assert [each.to_dict()["size"] for each in (first, last)] == [[90, 60], [60, 90]]
    alone = attend(model, post.with_images(paths[2:]))
    assert np.array_equal(last.places, alone.places)
    assert last.grid == alone.grid
    relative = looks[1] / looks[1].sum(axis=1, keepdims=True)  # a softmax over more regions keeps their ratios
    assert np.allclose(relative, np.stack([look.regions for look in alone.looks("words")]), atol=1e-4)
    with pytest.raises(ConfigurationError, match="a post with at least 4"):
        attend(model, post, 3)

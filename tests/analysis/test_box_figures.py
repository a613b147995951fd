"""Figures of boxes: each where it is in the image, with the words and type of its entity."""

import pytest
from PIL import Image

pytest.importorskip("matplotlib")

from mner.analysis.entity_boxes import draw_entities
from mner.posts import Entity, Post


def test_each_box_has_its_place_and_label(tmp_path):
    post = Post("1", ("Ann", "Lee", "in", "Oslo", "$x"))
    box, other = (0.1, 0.2, 0.5, 0.9), (0.5, 0.0, 1.0, 0.4)
    entities = [Entity("PER", 0, 2, boxes=(box, other)), Entity("LOC", 3, 4, boxes=()), Entity("ODD", 4, 5)]
    figure = draw_entities(Image.new("L", (3000, 2000), 200), post, entities)
    (axis,) = figure.axes
    assert [patch.get_bbox().extents.tolist() for patch in axis.patches] == [pytest.approx(box), pytest.approx(other)]
    assert [text.get_text() for text in axis.texts] == ["Ann Lee PER"] * 2
    assert figure.get_suptitle() == "[Ann Lee PER] in [Oslo LOC] [$x ODD]"
    assert max(axis.images[0].get_array().shape) == 900
    figure.savefig(tmp_path / "figure.png")
    width, height = Image.open(tmp_path / "figure.png").size
    assert width / height == pytest.approx(3 / 2, abs=0.15)


def test_labels_of_one_box_are_below_each_other():
    post, box = Post("1", ("Ann", "Bob", "Cy")), (0.1, 0.2, 0.5, 0.9)
    entities = [Entity("PER", place, place + 1, boxes=(box,)) for place in range(3)]
    (axis,) = draw_entities(Image.new("L", (300, 200)), post, entities).axes
    heights = [text.xyann[1] for text in axis.texts]
    assert heights == sorted(set(heights), reverse=True)

"""Twitter10000: GMNER's posts with boxes, and FMNERG's types of the same posts."""

import os
from pathlib import Path

import pytest

from mner.boxes import gold_entities
from mner.data import Twitter10000
from mner.errors import ConfigurationError, LabelError

XML = (
    "<annotation><size><width>100</width><height>50</height></size><object><name>Bo</name><bndbox><xmin>10</xmin>"
    "<ymin>5</ymin><xmax>50</xmax><ymax>50</ymax></bndbox></object></annotation>"
)
BOX = (0.1, 0.1, 0.5, 1.0)


@pytest.fixture
def root(tmp_path):
    for folder in ("txt", "txt_fine", "xml"):
        (tmp_path / folder).mkdir()
    for split in ("train", "dev", "test"):
        (tmp_path / "txt" / f"{split}.txt").write_text("IMGID:7\nBo\tB-PER\nin\tO\nOslo\tB-LOC\n", encoding="utf-8")
        (tmp_path / "txt_fine" / f"{split}.txt").write_text(
            "IMGID:7\nBo\tB-person\tB-athlete\nin\tO\tO\nOslo\tB-location\tB-city\n", encoding="utf-8"
        )
    (tmp_path / "xml" / "7.xml").write_text(XML, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("annotation", "types", "number"),
    [
        ("gmner", ("PER", "LOC"), 4),
        ("fmnerg_coarse", ("person", "location"), 8),
        ("fmnerg_fine", ("athlete", "city"), 51),
    ],
)
def test_posts_have_boxes_and_the_types_of_the_annotation(root, annotation, types, number):
    data = Twitter10000(root, annotation)
    assert len(data.labels) == 1 + 2 * number
    for split in ("train", "valid", "test"):
        (post,) = data.posts(split)
        entities = gold_entities(post)
        assert tuple(entity.type for entity in entities) == types
        assert [entity.boxes for entity in entities] == [(BOX,), ()]


def test_another_annotation(root):
    with pytest.raises(ConfigurationError, match="annotation"):
        Twitter10000(root, "fine")
    (root / "txt" / "train.txt").write_text("IMGID:7\nBo\tB-person\n", encoding="utf-8")
    with pytest.raises(LabelError, match="B-person"):
        Twitter10000(root).posts("train")


@pytest.mark.realdata
@pytest.mark.skipif("MNER_DATA" not in os.environ, reason="MNER_DATA is not set")
@pytest.mark.parametrize(("split", "posts"), [("train", 4970), ("valid", 1059)])
def test_the_real_posts(split, posts):
    data = Twitter10000(Path(os.environ["MNER_DATA"]) / "gmner").posts(split)
    assert len(data) == posts
    assert all(post.boxes is not None for post in data)

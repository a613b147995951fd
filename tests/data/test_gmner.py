"""GMNER: CoNLL posts with the boxes of Pascal-VOC files."""

from pathlib import Path

import pytest

from mner.data.readers import read_posts
from mner.errors import FormatError

BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40.0</ymax></bndbox>"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "txt").mkdir()
    (tmp_path / "xml").mkdir()
    (tmp_path / "txt" / "train.txt").write_text("IMGID:7\nBo\tB-PER\n\nIMGID:8\nhi\tO\n")
    return tmp_path


def test_boxes_are_found_beside_the_texts(root):
    objects = f"<object><name>Bo</name><name>Bo X</name>{BOX}</object><object><name>none</name></object>"
    (root / "xml" / "7.xml").write_text(f"<annotation>{objects}</annotation>")
    first, second = read_posts(root / "txt" / "train.txt")
    assert first.metadata["boxes"] == [{"name": "Bo", "box": [1, 2, 30, 40]}, {"name": "Bo X", "box": [1, 2, 30, 40]}]
    assert first.image == Path("7.jpg")
    assert "boxes" not in second.metadata
    assert read_posts(root / "txt" / "train.txt", boxes=root / "xml")[0] == first


@pytest.mark.parametrize(
    ("xml", "found"),
    [
        ("<annotation>", "invalid XML"),
        ("<a><object><name>Bo</name><bndbox><xmin>1</xmin></bndbox></object></a>", "four corners"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "entity declaration"),
    ],
)
def test_malformed_boxes(root, xml, found):
    (root / "xml" / "7.xml").write_text(xml)
    with pytest.raises(FormatError, match=found):
        read_posts(root / "txt" / "train.txt")

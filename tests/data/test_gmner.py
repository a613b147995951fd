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
    (tmp_path / "txt" / "train.txt").write_text("IMGID:7\nBo\tB-PER\n\nIMGID:8\nhi\tO\n", encoding="utf-8")
    return tmp_path


def test_boxes_are_found_beside_the_texts(root):
    objects = f"<object><name>Bo</name><name>Bo X</name>{BOX}</object><object><name>none</name></object>"
    (root / "xml" / "7.xml").write_text(f"<annotation>{objects}</annotation>", encoding="utf-8")
    first, second = read_posts(root / "txt" / "train.txt")
    assert first.metadata["boxes"] == [{"name": "Bo", "box": [1, 2, 30, 40]}, {"name": "Bo X", "box": [1, 2, 30, 40]}]
    assert first.image == Path("7.jpg")
    assert "boxes" not in second.metadata
    assert read_posts(root / "txt" / "train.txt", boxes=root / "xml")[0] == first


def test_boxes_of_names_with_dots_and_of_images_in_folders(tmp_path):
    for name in ("17.06.1", "17.06.2", "a/33", "b/33"):
        (tmp_path / "xml" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "xml" / f"{name}.xml").write_text(
            f"<a><object><name>{name}</name>{BOX}</object></a>", encoding="utf-8"
        )
    text = tmp_path / "train.txt"
    text.write_text("".join(f"IMGID:{name}\nBo\tB-PER\n\n" for name in ("17.06.2", "a/33", "c/33")), encoding="utf-8")
    for images in (None, tmp_path):
        names = [[box["name"] for box in post.metadata.get("boxes", ())] for post in read_posts(text, images=images)]
        assert names == [["17.06.2"], ["a/33"], []]


def test_boxes_that_may_be_of_two_images(root):
    (root / "xml" / "7.xml").write_text(f"<a><object><name>Bo</name>{BOX}</object></a>", encoding="utf-8")
    (root / "txt" / "train.txt").write_text("IMGID:7.jpg\nBo\tB-PER\n\nIMGID:7.png\nBo\tB-PER\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"7\.xml: boxes of 7\.jpg or 7\.png"):
        read_posts(root / "txt" / "train.txt")


@pytest.mark.parametrize(
    ("xml", "found"),
    [
        ("<annotation>", "invalid XML"),
        ("<a><object><name>Bo</name><bndbox><xmin>1</xmin></bndbox></object></a>", "four corners"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "entity declaration"),
    ],
)
def test_malformed_boxes(root, xml, found):
    (root / "xml" / "7.xml").write_text(xml, encoding="utf-8")
    with pytest.raises(FormatError, match=found):
        read_posts(root / "txt" / "train.txt")

"""GMNER: CoNLL posts with the boxes of Pascal-VOC files, read and written."""

import os
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mner.boxes import gold_entities
from mner.data.gmner_writer import write_gmner
from mner.data.readers import read_posts
from mner.errors import DataError, FormatError
from mner.posts import Post

SIZE = "<size><width>100</width><height>50</height></size>"
BOX = "<bndbox><xmin>10</xmin><ymin>5</ymin><xmax>50</xmax><ymax>50.0</ymax></bndbox>"
FRACTIONS = (0.1, 0.1, 0.5, 1.0)
TEXT = "IMGID:7\nBo\tB-PER\nin\tO\nSt\tB-LOC\nLouis\tI-LOC\n\nIMGID:8\nBo\tB-PER\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "txt").mkdir()
    (tmp_path / "xml").mkdir()
    (tmp_path / "txt" / "train.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def read(root):
    """A function from the objects of image 7, and its size, to the two posts."""

    def posts(objects, size=SIZE, **options):
        (root / "xml" / "7.xml").write_text(f"<annotation>{size}{objects}</annotation>", encoding="utf-8")
        return read_posts(root / "txt" / "train.txt", **options)

    return posts


def test_boxes_are_matched_by_the_words_of_entities(read, root):
    objects = f"<object><name>St  Louis</name>{BOX}{BOX}</object><object><name>Bo</name></object>"
    first, second = read(objects)
    assert first.boxes == {(2, 4): (FRACTIONS, FRACTIONS)}
    assert (first.image, first.metadata) == (Path("7.jpg"), {"image_size": [100, 50]})
    assert (second.boxes, second.metadata) == ({}, {})  # no file: its image shows no entity
    assert read(objects, boxes=root / "xml") == [first, second]


def test_one_string_twice_gets_the_boxes_twice_and_is_counted_once(read, root):
    (root / "txt" / "train.txt").write_text("IMGID:7\nBo\tB-PER\nand\tO\nBo\tB-ORG\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="1 posts in which several entities have the name of a box") as caught:
        (post,) = read(f"<object><name>Bo</name>{BOX}</object>")
    assert len(caught) == 1
    assert [entity.boxes for entity in gold_entities(post)] == [(FRACTIONS,), (FRACTIONS,)]


def test_names_of_no_entity_are_reported_for_all_posts_of_the_image(read, root):
    with pytest.warns(UserWarning, match=r"2 names that match no entity.*: 'Paris' of 7.jpg, 'Rio' of 7.jpg$"):
        read("".join(f"<object><name>{name}</name>{BOX}</object>" for name in ("Rio", "Paris", "Bo")))
    (root / "txt" / "train.txt").write_text("IMGID:7\nBo\tB-PER\n\nIMGID:7\nRio\tB-LOC\n", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        posts = read("".join(f"<object><name>{name}</name>{BOX}</object>" for name in ("Rio", "Bo")))
    assert [post.boxes for post in posts] == [{(0, 1): (FRACTIONS,)}] * 2


@pytest.mark.parametrize(
    ("corners", "boxes", "message"),
    [
        ((-10, 5, 50, 60), ((0.0, 0.1, 0.5, 1.0),), "1 boxes partly outside the image"),
        ((100, 5, 150, 60), (), "1 boxes without an area in the image"),
        ((50, 5, 10, 50), (), "1 boxes without an area in the image"),
        ((10, 5, 10, 50), (), "1 boxes without an area in the image"),
    ],
)
def test_boxes_outside_the_image(read, corners, boxes, message):
    sides = "".join(f"<{side}>{n}</{side}>" for side, n in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    with pytest.warns(UserWarning, match=message):
        post, _ = read(f"<object><name>Bo</name><bndbox>{sides}</bndbox></object>")
    assert gold_entities(post)[0].boxes == boxes


def test_without_a_size_it_is_that_of_the_image(read, root):
    objects = f"<object><name>Bo</name>{BOX}</object>"
    with pytest.raises(FormatError, match=r"7\.xml: no size of the image .*Give <size>, or the image"):
        read(objects, size="")
    (root / "images").mkdir()
    image = Image.new("RGB", (50, 100))
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    image.save(root / "images" / "7.jpg", exif=exif)
    post, _ = read(objects, size="", images=root / "images")
    assert post.boxes == {(0, 1): (FRACTIONS,)}


def test_posts_without_tags_have_no_boxes(read, root):
    (root / "txt" / "train.txt").write_text("IMGID:7\nBo\n\nIMGID:8\nhi\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="2 posts without tags"):
        posts = read("", boxes=root / "xml")
    assert [post.boxes for post in posts] == [None, None]


def test_a_folder_of_other_images(read, root):
    (root / "txt" / "train.txt").write_text("IMGID:9\nBo\tB-PER\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="none of its files is that of an image of these posts"):
        (post,) = read("")
    assert post.boxes is None


def test_boxes_of_names_with_dots_and_of_images_in_folders(tmp_path):
    for name in ("17.06.1", "17.06.2", "a/33", "b/33"):
        (tmp_path / "xml" / name).parent.mkdir(parents=True, exist_ok=True)
        box = BOX.replace("10", str(len(name)))
        (tmp_path / "xml" / f"{name}.xml").write_text(
            f"<a>{SIZE}<object><name>Bo</name>{box}</object></a>", encoding="utf-8"
        )
    text = tmp_path / "train.txt"
    text.write_text("".join(f"IMGID:{name}\nBo\tB-PER\n\n" for name in ("17.06.2", "a/33", "c/33")), encoding="utf-8")
    for images in (None, tmp_path):
        posts = read_posts(text, images=images)
        assert [[boxes[0][0] for boxes in post.boxes.values()] for post in posts] == [[0.07], [0.04], []]


def test_boxes_that_may_be_of_two_images(read, root):
    (root / "txt" / "train.txt").write_text("IMGID:7.jpg\nBo\tB-PER\n\nIMGID:7.png\nBo\tB-PER\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"7\.xml: boxes of 7\.jpg or 7\.png"):
        read("")


@pytest.mark.parametrize(
    ("xml", "found"),
    [
        ("<annotation>", "invalid XML"),
        ("<a><object><name>Bo</name><bndbox><xmin>1</xmin></bndbox></object></a>", "four corners"),
        ("<a><size><width>x</width></size></a>", "not in whole pixels"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "entity declaration"),
    ],
)
def test_malformed_boxes(root, xml, found):
    (root / "xml" / "7.xml").write_text(xml, encoding="utf-8")
    with pytest.raises(FormatError, match=found):
        read_posts(root / "txt" / "train.txt")


POST = Post(
    "7",
    ("Bo", "&", "St", "Louis"),
    ("B-PER", "O", "B-LOC", "I-LOC"),
    Path("7.jpg"),
    metadata={"image_size": [300, 7]},
    boxes={(2, 4): ((1 / 300, 2 / 7, 299 / 300, 1.0), (0.123, 0.0, 0.456, 0.9))},
)


def test_round_trip(tmp_path):
    hidden = Post("8", ("Bo",), ("B-PER",), Path("8.jpg"), boxes={})
    written = write_gmner([POST, hidden], tmp_path, "train")
    assert written == [tmp_path / "txt" / "train.txt", tmp_path / "xml" / "7.xml"]
    assert "<xmin>1</xmin>" in written[1].read_text(encoding="utf-8")
    back = read_posts(written[0])
    assert [replace(post, boxes=None) for post in back] == [replace(POST, boxes=None), replace(hidden, boxes=None)]
    assert back[0].boxes[2, 4] == tuple(pytest.approx(box) for box in POST.boxes[2, 4])
    write_gmner(
        [
            replace(POST, boxes={}, metadata={}),
            hidden.__class__(
                "9",
                ("Bo",),
                ("B-PER",),
                Path("9.jpg"),
                metadata={"image_size": [2, 2]},
                boxes={(0, 1): ((0.0, 0.0, 0.5, 0.5),)},
            ),
        ],
        tmp_path,
        "valid",
    )
    assert [path.name for path in (tmp_path / "xml").iterdir()] == ["9.xml"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": None}, "its boxes None would be read back as {}"),
        ({"metadata": {}}, "the size of its image is unknown"),
        ({"metadata": {"image_size": [300, 7], "lang": "en"}}, "its metadata"),
        ({"words": ("St", "Louis", "St", "Louis"), "tags": ("B-LOC", "I-LOC") * 2}, "cannot be written as GMNER"),
    ],
)
def test_what_the_format_cannot_keep(tmp_path, change, message):
    other = replace(POST, id="8", image=Path("8.jpg"))
    with pytest.raises(DataError, match=message):
        write_gmner([replace(POST, **change), other], tmp_path, "train")
    assert not list(tmp_path.rglob("*.xml"))


@pytest.mark.parametrize("images", [None, "other"])
def test_files_next_to_images_outside_of_the_image_folder_are_left_alone(tmp_path, images):
    own = tmp_path / "photographs" / "7.xml"
    own.parent.mkdir()
    own.write_text("mine", encoding="utf-8")
    outside = [replace(POST, image=own.with_suffix(".jpg")), replace(POST, image=own.with_suffix(".jpg"), boxes={})]
    for post in outside:
        with pytest.raises(DataError, match=r"absolute path|cannot be written as CoNLL: its image"):
            write_gmner([post], tmp_path / "out", "train", images=images and tmp_path / images)
    assert own.read_text(encoding="utf-8") == "mine"
    assert list(tmp_path.rglob("*.*ml")) == [own]


@pytest.mark.realdata
@pytest.mark.skipif("MNER_DATA" not in os.environ, reason="MNER_DATA is not set")
def test_the_real_posts_and_boxes(tmp_path):
    """All names are entities and all boxes are inside of their images; what is written reads back equal."""
    folder = Path(os.environ["MNER_DATA"]) / "gmner"
    found = Counter()
    for split in ("train", "dev"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            posts = read_posts(folder / "txt" / f"{split}.txt")
            write_gmner(posts, tmp_path, split)
        kinds = {str(each.message).split(": ")[1].split(" ", 1)[1] for each in caught}
        assert kinds == {"posts in which several entities have the name of a box; each of them has the box"}
        found["posts"] += len(posts)
        for post in posts:
            boxes = [entity.boxes for entity in gold_entities(post)]
            found["entities"] += len(boxes)
            found["shown"] += sum(map(bool, boxes))
            found["boxes"] += sum(map(len, boxes))
            found["images with boxes"] += any(boxes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert read_posts(tmp_path / "txt" / f"{split}.txt") == posts
    assert len(list((tmp_path / "xml").iterdir())) == found["images with boxes"] == 3415
    assert found["posts"] == 6029
    print(found)

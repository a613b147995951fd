"""Posts with several images: read, written, tagged, ablated and split, with their order kept."""

import json
from pathlib import Path

import pytest

from mner.data.ablations import ablate
from mner.data.partition import group_posts
from mner.data.readers import read_posts
from mner.data.table_writers import write_parquet
from mner.data.writers import write_conll, write_json_lines
from mner.errors import DataError, FormatError
from mner.post_json import post_from_dict, post_to_dict
from mner.posts import Post

NAMES = ("b.jpg", "a.jpg", "sub/c.png")


def post(id: str, *names: str) -> Post:
    return Post(id, ("Oslo", "!"), ("B-LOC", "O")).with_images([Path(name) for name in names])


def read(tmp_path, record, **options):
    path = tmp_path / "posts.jsonl"
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return read_posts(path, **options)[0]


def test_the_first_image_and_the_others():
    several = post("1", *NAMES)
    assert (several.image, several.more_images) == (Path("b.jpg"), (Path("a.jpg"), Path("sub/c.png")))
    assert several.images == tuple(map(Path, NAMES))
    assert several.with_images(()) == post("1")
    assert Post("1", ("a",), image="a.jpg", more_images=["b.jpg"]).images == (Path("a.jpg"), Path("b.jpg"))
    with pytest.raises(DataError, match="1 more images, but no first one"):
        Post("1", ("a",), more_images=(Path("a.jpg"),))
    with pytest.raises(DataError, match="expected more_images as paths"):
        Post("1", ("a",), image="a.jpg", more_images="b.jpg")


@pytest.mark.parametrize(
    "record",
    [
        {"text": ["Oslo", "!"], "images": [*NAMES], "label": ["B-LOC", "O"]},  # MNER-MI
        {"tokens": ["Oslo", "!"], "images": [*NAMES], "label": ["B-LOC", "O"]},
        {"tokens": ["Oslo", "!"], "images": json.dumps(NAMES), "image": "b.jpg", "label": ["B-LOC", "O"]},
        {"tokens": ["Oslo", "!"], "image": [*NAMES], "label": ["B-LOC", "O"]},
        {"tokens": ["Oslo", "!"], "image": [*NAMES], "image_id": ["b", "a", "c"], "label": ["B-LOC", "O"]},
        {"tokens": ["Oslo", "!"], "image": ", ".join(NAMES), "label": ["B-LOC", "O"]},
        {"tokens": ["Oslo", "!"], "images": ";".join(NAMES), "label": ["B-LOC", "O"]},
        {"tokens": ["Oslo", "!"], "image_id": " ".join(NAMES), "label": ["B-LOC", "O"]},
        {"tokens": ["Oslo", "!"], "images": ["b.jpg", "", *NAMES[1:]], "label": ["B-LOC", "O"]},
    ],
)
@pytest.mark.filterwarnings("ignore:.*several image names is read as their list")
def test_a_list_of_images_is_read_in_order(tmp_path, record):
    assert read(tmp_path, {"id": "1", **record}) == post("1", *NAMES)


@pytest.mark.filterwarnings("error")
def test_an_image_with_a_comma_in_its_name_is_one(tmp_path):
    (tmp_path / "a.jpg,b.jpg").touch()
    for name in ("a.jpg,b.jpg", "St. Louis, Missouri.jpg"):
        assert read(tmp_path, {"id": "1", "text": "Oslo", "image": name}, images=tmp_path).image == tmp_path / name


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"images": ["a.jpg"], "image": "b.jpg"}, "'b.jpg', which is not among the images"),
        ({"image": ["a.jpg", "b.jpg"], "image_id": ["a", "c"]}, "different images"),
        ({"images": "a.jpg"}, "where a list was expected"),
        ({"images": ["a.jpg", None]}, "the image name None"),
        ({"images": ["a.jpg", "../b.jpg"]}, "leads out of the image folder"),
        ({"images": ["a.jpg", {"url": "b.jpg"}]}, "an object with bytes or path, got one with url"),
        ({"image": {"url": "b.jpg"}}, "an object with bytes or path, got one with url"),
    ],
)
def test_malformed_lists_of_images_are_named(tmp_path, names, said):
    with pytest.raises(FormatError, match=said):
        read(tmp_path, {"tokens": ["Oslo"], **names})


def test_posts_are_read_back_as_they_were_written(tmp_path):
    pytest.importorskip("pyarrow")
    posts = [post("1", *NAMES), post("2", "a.jpg"), post("3")]
    folder = tmp_path / "images"
    inside = [each.with_images([folder / name for name in each.images]) for each in posts]
    write_json_lines(inside, tmp_path / "posts.jsonl", images=folder)
    assert read_posts(tmp_path / "posts.jsonl", images=folder) == inside
    write_parquet(posts, tmp_path / "posts.parquet")
    assert read_posts(tmp_path / "posts.parquet") == posts
    assert [post_from_dict(post_to_dict(each, [str(name) for name in each.images])) for each in posts] == posts
    assert post_to_dict(inside[0])["images"] == ["b.jpg", "a.jpg", "c.png"]
    with pytest.raises(DataError, match="its more_images"):
        write_conll([Post("33", ("Oslo",)).with_images([Path("33.jpg"), Path("34.jpg")])], tmp_path / "posts.txt")


def test_cmner_names_the_images_of_a_post_by_its_id(tmp_path):
    for name in ("7_10.jpg", "7_2.jpg", "7_1.jpg", "70_1.jpg"):
        (tmp_path / name).touch()
    path = tmp_path / "posts.txt"
    path.write_text("WID:7\nOslo\tB-LOC\n\nWID:8\nRiga\tB-LOC\n", encoding="utf-8")
    first, second = read_posts(path, images=tmp_path)
    assert [image.name for image in first.images] == ["7_1.jpg", "7_2.jpg", "7_10.jpg"]
    assert second.images == ()


@pytest.mark.filterwarnings("ignore:.*of several image")
@pytest.mark.parametrize("ids", ["33,34", "33; 34", "33 34", "33.jpg,34.jpg", "33|sub/35"])
def test_ids_of_several_images_in_one(tmp_path, ids):
    """They are several only if that names no image and each of its parts does."""
    (tmp_path / "images" / "sub").mkdir(parents=True)
    for name in ("33.jpg", "34.jpg", "sub/35.png"):
        (tmp_path / "images" / name).touch()
    path = tmp_path / "posts.txt"
    path.write_text(f"IMGID:{ids}\nOslo\tB-LOC\n", encoding="utf-8")
    second = "sub/35.png" if "35" in ids else "34.jpg"
    (several,) = read_posts(path, images=tmp_path / "images")
    assert several.id == ids
    assert several.images == (tmp_path / "images" / "33.jpg", tmp_path / "images" / second)
    record = {"id": ids, "image_id": ids, "tokens": ["Oslo"], "tags": ["B-LOC"]}
    assert read(tmp_path, record, images=tmp_path / "images") == several
    assert len(read_posts(path)[0].images) == 1  # no folder shows what it names
    (tmp_path / "images" / second).unlink()
    assert len(read_posts(path, images=tmp_path / "images")[0].images) == 1
    (tmp_path / "images" / second).touch()
    one = tmp_path / "images" / (ids if ids.endswith(".jpg") else f"{ids}.jpg")
    one.parent.mkdir(exist_ok=True)
    one.touch()
    assert read_posts(path, images=tmp_path / "images")[0].images == (one,)


def test_ablations_move_all_images_of_a_post():
    posts = [post("1", "a.jpg", "b.jpg"), post("2", "c.jpg"), post("3")]
    assert [each.images for each in ablate(posts, "shuffled_images")] == [posts[1].images, posts[0].images, ()]
    assert [each.images for each in ablate(posts, "blank_images")] == [()] * 3


def test_posts_that_share_an_image_are_in_one_group():
    posts = [
        Post(str(place), (f"word{place}",)).with_images([Path(name) for name in names])
        for place, names in enumerate([("a", "b"), ("c",), ("d", "b"), ("c", "e")])
    ]
    assert sorted(group_posts(posts)) == [[0, 2], [1, 3]]

"""Shards of WebDataset: samples by their key, with texts and images; nothing is extracted by its name."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from mner.data.readers import read_posts
from mner.errors import FormatError
from mner.posts import Post


def write(path: Path, members: dict[str, bytes | None]) -> Path:
    mode = "w:gz" if path.suffix in (".gz", ".tgz") else "w"
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            member.size = len(content or b"")
            archive.addfile(member, io.BytesIO(content or b""))
    return path


RECORD = json.dumps({"tokens": ["Oslo"], "label": ["B-LOC"]}).encode()


@pytest.mark.parametrize("name", ["train.tar", "train.tgz", "train.tar.gz"])
def test_samples_of_a_shard(tmp_path, name):
    members = {
        "33.jpg": b"first",
        "33.json": RECORD,
        "link.jpg": None,
        "sub/34.txt": b"in Riga",
        "sub/34.0.png": b"second",
        "sub/34.1.png": b"third",
        "sub/34.caption.txt": b"a town",
    }
    images = tmp_path / "images"
    first, second = read_posts(write(tmp_path / name, members), images=images)
    assert first == Post("33", ("Oslo",), ("B-LOC",), images / "33.jpg")
    assert (second.id, second.text, dict(second.contexts)) == ("sub/34", "in Riga", {"caption": "a town"})
    assert [path.name for path in second.images] == ["34.0.png", "34.1.png"]
    assert [path.read_bytes() for path in (*first.images, *second.images)] == [b"first", b"second", b"third"]
    assert sorted(path.name for path in images.iterdir()) == ["33.jpg", "34.0.png", "34.1.png"]


def test_names_that_lead_out_of_the_folder_are_kept_inside(tmp_path):
    path = write(
        tmp_path / "a.tar", {"../../33.jpg": b"x", "../../33.json": RECORD, "/34.jpg": b"y", "/34.json": RECORD}
    )
    posts = read_posts(path, images=tmp_path / "in" / "images")
    assert [post.image for post in posts] == [tmp_path / "in" / "images" / f"{number}.jpg" for number in (33, 34)]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tar", "in"]


def test_a_folder_of_shards_is_read_in_order(tmp_path):
    for number, suffix in ((2, ".tar"), (0, ".tar"), (1, ".tar.gz")):
        write(tmp_path / f"{number}{suffix}", {f"{number}.txt": b"Oslo"})
    assert [post.id for post in read_posts(tmp_path)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"1.json": b"{"}, "1.json is malformed"),
        ({"1.json": b"[]"}, "1.json is malformed"),
        ({"1.json": RECORD, "1.tokens.txt": b"Riga"}, "two values of tokens in the sample 1, one in 1.tokens.txt"),
        ({"1.jpg": b"x", "1.json": b'{"text": "a", "images": ["a.jpg", "b.jpg"]}'}, "1 images in the sample 1"),
    ],
)
def test_malformed_samples_are_named(tmp_path, members, said):
    with pytest.raises(FormatError, match=said):
        read_posts(write(tmp_path / "a.tar", members))
    (tmp_path / "cut.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:300])
    with pytest.raises(FormatError, match="not a valid tar file"):
        read_posts(tmp_path / "cut.tar")


@pytest.mark.parametrize("order", [1, -1])
def test_images_of_a_record_are_those_in_the_file(tmp_path, order):
    record = json.dumps({"text": "Oslo", "images": ["33.0.jpg", "33.1.jpg"]}).encode()
    members = [("33.0.jpg", b"first"), ("33.1.jpg", b"second"), ("33.json", record), ("33.txt", b"Oslo")][::order]
    (post,) = read_posts(write(tmp_path / "a.tar", dict(members)), images=tmp_path / "images")
    assert [path.read_bytes() for path in post.images] == [b"first", b"second"][::order]


def test_files_of_other_kinds_are_values_or_reported(tmp_path):
    members = {
        "33.txt": b"in Oslo",
        "33.entities.JSON": b'[[3, 7, "LOC"]]',
        "33.cls": b"5",
        "34.txt": b"hi",
        "34.cls": b"1",
    }
    with pytest.warns(UserWarning, match=r"files \*\.cls are left out \(2 members, the first is 3: 33\.cls\)"):
        first, second = read_posts(write(tmp_path / "a.tar", members))
    assert (first.spans, second.spans) == (((3, 7, "LOC"),), None)

"""Image names of data files: each finds its own file, however it is spelled, or none."""

import os
import unicodedata
from pathlib import Path

import pytest

from mner.data import image_names
from mner.data.image_names import ImageFolder, ImageNames, image_path, spelling, split_suffix
from mner.data.lines import Line, Notes
from mner.data.readers import read_posts
from mner.errors import FormatError

LINE = Line(Path("posts"), 1, 0, b"", Notes(Path("posts")))
DECOMPOSED = unicodedata.normalize("NFD", "caf\u00e9")


@pytest.fixture
def folder(tmp_path):
    def make(*names):
        for name in names:
            try:
                os.fsencode(name)
            except UnicodeEncodeError:
                pytest.skip("no file can have this name in this locale")
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return ImageFolder(tmp_path)

    return make


def found(name, folder, *, is_id):
    path = image_path(name, folder, LINE, is_id=is_id)
    return path.relative_to(folder.path).as_posix()


@pytest.mark.parametrize(
    ("name", "files", "expected"),
    [
        ("33", ["33.png"], "33.png"),
        ("33", ["33.JPG"], "33.JPG"),
        ("33", ["33.jpeg", "33.txt", "33.xml", "a/33.jpg"], "33.jpeg"),
        ("33", ["33.jpg", "33.png"], "33.jpg"),
        ("33", ["33.gif", "33.png"], "33.jpg"),  # which is not there, and said to be missing
        ("33", ["33"], "33"),
        ("33", [], "33.jpg"),
        ("36.jpg", ["36.jpg"], "36.jpg"),
        ("36.jpg", ["36.png"], "36.jpg"),
        ("17.06.1", ["17.06.1.png", "17.06.2.png"], "17.06.1.png"),
        ("17.06", ["17.06.1.png"], "17.06.jpg"),
        ("a/33", ["a/33.png", "33.jpg", "b/33.gif"], "a/33.png"),
        (r"a\33", ["a/33.png"], "a/33.png"),
        (" 33 ", ["33.png"], "33.png"),
        ("caf\u00e9", [f"{DECOMPOSED}.png"], f"{DECOMPOSED}.png"),
        ("my%20dog", ["my dog.png"], "my dog.png"),
    ],
)
def test_an_id_finds_the_file_of_any_suffix(folder, name, files, expected):
    assert found(name, folder(*files), is_id=True) == expected


@pytest.mark.parametrize(
    ("name", "files", "expected"),
    [
        ("33.jpg", ["33.png"], "33.jpg"),
        ("33.jpg", ["33.jpeg"], "33.jpg"),
        ("33.jpg", ["33.JPG"], "33.JPG"),
        ("33.jpg", ["33.JPG", "33.jpg"], "33.jpg"),
        ("33.jpg", ["33.JPG", "33.Jpg"], "33.jpg"),
        ("33.jpg", ["a/33.jpg"], "33.jpg"),
        ("AbC.jpg", ["abc.jpg"], "AbC.jpg"),
        ("./a/33.jpg", ["a/33.jpg"], "a/33.jpg"),
        ("a%20b.jpg", ["a%20b.jpg", "a b.jpg"], "a%20b.jpg"),
        ("a%20b.jpg", ["a b.jpg"], "a b.jpg"),
        ("33.jpg ", ["33.jpg"], "33.jpg"),
        (f"{DECOMPOSED}.jpg", ["caf\u00e9.jpg"], "caf\u00e9.jpg"),
        ("17.06.1", ["17.06.1", "17.06.1.jpg"], "17.06.1"),
    ],
)
def test_a_file_name_finds_that_file_alone(folder, name, files, expected):
    assert found(name, folder(*files), is_id=False) == expected


@pytest.mark.skipif(os.name == "nt", reason="a backslash in a name")
def test_a_backslash_in_the_name_of_a_file(folder):
    assert found(r"a\33.jpg", folder(r"a\33.jpg"), is_id=False) == r"a\33.jpg"


@pytest.mark.parametrize("name", ["", "  ", "\t"])
def test_no_name_no_image(folder, name):
    assert image_path(name, folder("1.jpg", ".jpg"), LINE, is_id=True) is None


@pytest.mark.parametrize(
    "name", ["../33.jpg", "/33.jpg", r"C:\33.jpg", r"a\..\..\33.jpg", ".", "a\0.jpg", r"\\x\y\33.jpg"]
)
def test_names_that_lead_out_of_the_folder(folder, name):
    for images in (None, folder("33.jpg")):
        with pytest.raises(FormatError, match="out of the image folder"):
            image_path(name, images, LINE, is_id=True)


def test_escaped_dots_stay_in_the_folder(folder):
    assert found("%2e%2e/33.jpg", folder("33.jpg"), is_id=False) == "%2e%2e/33.jpg"


def test_without_a_folder_names_stay_as_they_are():
    assert image_path(r"a\33.JPG", None, LINE) == Path("a/33.JPG")
    assert image_path("17.06.1", None, LINE, is_id=True) == Path("17.06.1.jpg")
    assert image_path("17.06.1", None, LINE) == Path("17.06.1")


def test_suffixes():
    assert split_suffix("a.b/c") == ("a.b/c", "")
    assert split_suffix(".jpg") == (".jpg", "")
    assert split_suffix("a/.png") == ("a/.png", "")
    assert spelling("a//b.PNG") == "a/b.png"


def test_near_misses():
    names = ImageNames(["33.png", "a/33.jpg", "34.jpg", "AbC.jpg"])
    assert names.near("33.jpg") == ["33.png", "a/33.jpg"]
    assert names.near("abc.png") == ["AbC.jpg"]
    assert names.near("35.jpg") == []


def test_a_folder_is_listed_once_and_looked_up_in_constant_time(folder, monkeypatch):
    images = folder(*(f"{number}.png" for number in range(50)))
    listed, stated = [], []
    walk, stat = os.walk, Path.stat
    monkeypatch.setattr(image_names.os, "walk", lambda *args, **options: listed.append(args) or walk(*args, **options))
    monkeypatch.setattr(Path, "stat", lambda self, **kwargs: stated.append(self) or stat(self, **kwargs))
    spelled = []
    monkeypatch.setattr(image_names, "spelling", lambda name: spelled.append(name) or spelling(name))
    for number in range(50):
        assert found(str(number), images, is_id=True) == f"{number}.png"
    assert len(listed) == 1
    assert not stated
    assert len(spelled) == 100  # each file once, and each name once


def test_conll_finds_images_of_any_suffix(folder, tmp_path):
    folder("images/33.png", "images/34.JPG", "images/35.jpeg", "images/36.jpg")
    posts = tmp_path / "posts.conll"
    posts.write_text(
        "".join(f"IMGID:{name}\nAna\tB-PER\n\n" for name in ("33", "34", "35", "36.jpg", "37")), encoding="utf-8"
    )
    names = [post.image.name for post in read_posts(posts, images=tmp_path / "images")]
    assert names == ["33.png", "34.JPG", "35.jpeg", "36.jpg", "37.jpg"]
    assert [post.image.name for post in read_posts(posts)][2:] == ["35.jpg", "36.jpg", "37.jpg"]


def test_numbered_images_are_in_the_order_of_their_numbers():
    names = ImageNames(["5_10.jpg", "5_2.jpeg", "5_1.JPG", "5_cover.jpg", "5.jpg", "51_3.jpg"])
    assert names.numbered("5") == ["5_1.JPG", "5_2.jpeg", "5_10.jpg"]

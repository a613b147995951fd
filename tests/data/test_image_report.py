"""Image files that are missing, broken, small or the same are counted by name."""

from pathlib import Path

import pytest
from PIL import Image

from mner.data.check import check_posts
from mner.data.image_report import check_images
from mner.posts import Post


@pytest.fixture
def folder(tmp_path):
    picture = Image.effect_noise((200, 120), 60).convert("RGB")
    picture.save(tmp_path / "good.jpg")
    picture.convert("RGBA").save(tmp_path / "good.png")
    picture.resize((31, 400)).save(tmp_path / "narrow.jpg")
    content = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:900])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("<html>not found</html>", encoding="utf-8")
    (tmp_path / "placeholder.jpg").write_bytes(content)
    return tmp_path


def test_every_fault_is_named(folder):
    names = [
        "good.jpg",
        "good.png",
        "narrow.jpg",
        "cut.jpg",
        "cut.png",
        "empty.jpg",
        "text.jpg",
        "none.jpg",
        "good.png",
    ]
    report = check_images([folder / name for name in names], folder)
    assert report.named == 9
    assert report.missing == ["none.jpg"]
    assert list(report.unreadable) == ["cut.jpg", "cut.png", "empty.jpg", "text.jpg"]
    assert "truncated" in report.unreadable["cut.jpg"]
    assert "not an image" in report.unreadable["text.jpg"]
    assert report.small == ["narrow.jpg"]
    assert report.repeated == 0


def test_a_placeholder_under_several_names(folder):
    report = check_images([folder / name for name in ("good.jpg", "placeholder.jpg", "good.png")], folder)
    assert report.repeated == 2


def test_a_decompression_bomb_is_unreadable(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert check_images([folder / "good.jpg"], folder).unreadable.keys() == {"good.jpg"}


def test_files_that_look_like_a_missing_image_are_named(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "narrow.png").touch()
    names = ["good.jpeg", "sub/good.jpg", "none.jpg", "narrow.png"]
    report = check_images([folder / name for name in names], folder)
    assert report.missing == names
    assert report.near_misses == {
        "good.jpeg": ["good.jpg", "good.png"],
        "sub/good.jpg": ["good.jpg", "good.png"],
        "narrow.png": ["narrow.jpg", "sub/narrow.png"],
    }
    posts = [Post("1", ("a",), image=folder / "good.jpeg")]
    shown = str(check_posts({"train": posts}, image_folders={"train": folder}))
    assert "good.jpeg (there is good.jpg and good.png)" in shown


def test_in_the_data_check(folder):
    posts = [
        Post("1", ("a",), image=folder / "good.jpg"),
        Post("2", ("a",), image=folder / "none.jpg"),
        Post("3", ("a",)),
    ]
    report = check_posts({"train": posts, "valid": posts}, image_folders={"train": folder, "valid": None})
    assert report.splits["train"].images.named == 2
    assert report.splits["valid"].images is None
    assert f"faulty in {folder}: none.jpg" in str(report)
    assert not Path("none.jpg").exists()

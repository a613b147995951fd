"""Checking, training, captioning and tagging judge a folder of odd images alike, and none waits for a pipe."""

import io
import os
import socket

import pytest
import torch
from PIL import Image

from mner.contexts import describe_folder
from mner.contexts.captioner import Captioner
from mner.data.image_report import check_images
from mner.fusion import Concatenation
from mner.git_lfs import BEGINNING, REASON
from mner.images import ImageLoader
from mner.posts import Post
from mner.vision import Grid
from mner.vision.feature_store import FeatureStore

USABLE = {
    "good.jpg",
    "icon.png",
    "alpha.png",
    "long_text.png",
    "inside.png",
    "outside.png",
    "moving.gif",
    "wrong_suffix.png",
}


def noise(width=80, height=60):
    return Image.effect_noise((width, height), 60).convert("RGB")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Every kind of good and bad image file."""
    from PIL.PngImagePlugin import PngInfo

    folder = tmp_path / "images"
    folder.mkdir()
    noise().save(tmp_path / "secret.png")
    noise().save(folder / "good.jpg")
    noise().save(folder / "wrong_suffix.png", "JPEG")
    noise(20, 20).save(folder / "icon.png")
    noise().convert("RGBA").save(folder / "alpha.png")
    noise().save(folder / "moving.gif", save_all=True, append_images=[noise()])
    text = PngInfo()
    text.add_text("comment", "x" * 3_000_000)
    noise().save(folder / "long_text.png", pnginfo=text)
    (folder / "inside.png").symlink_to(folder / "good.jpg")
    (folder / "outside.png").symlink_to(tmp_path / "secret.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")
    monkeypatch.chdir(folder)  # a socket's path is short
    socket.socket(socket.AF_UNIX).bind("socket.png")
    (folder / "empty.png").touch()
    (folder / "pointer.jpg").write_bytes(BEGINNING + b"v1\noid sha256:00\nsize 12345\n")
    noise().save(folder / "drawing.png", "TGA")
    (folder / "page.jpg").write_text("<html>404</html>", encoding="utf-8")
    (folder / "cut.jpg").write_bytes((folder / "good.jpg").read_bytes()[:400])
    noise(1, 1).save(folder / "dot.gif")
    noise(10, 300).save(folder / "strip.png")
    buffer = io.BytesIO()
    noise().save(buffer, "EPS")
    (folder / "script.jpg").write_bytes(buffer.getvalue())
    return folder


class Sized(Captioner):
    """Writes an image's size."""

    def describe(self, images):
        return [{"caption": str(image.size)} for image in images]


def test_one_verdict_everywhere(folder, make_model, tmp_path):
    paths = sorted(folder.iterdir())
    expected = {path.name: path.name in USABLE for path in paths}
    posts = [Post(path.name, ("word",), image=path) for path in paths]

    report = check_images(paths, folder)
    bad = {*report.missing, *report.unreadable}
    assert {path.name: path.name not in bad for path in paths} == expected
    assert report.small == ["icon.png"]
    assert report.missing == []
    assert report.unreadable["loop.png"].endswith("a loop of links")
    assert report.unreadable["pointer.jpg"].endswith(REASON)
    assert "of the format TGA or CUR; expected one of JPEG" in report.unreadable["drawing.png"]

    model = make_model(Concatenation, image_encoder=Grid("test_resnet", None, image_size=32))
    mask = model.preprocessor.using(image_folders=[folder], quiet=True)(posts).image_mask
    assert dict(zip(expected, mask.tolist(), strict=True)) == expected

    captions = describe_folder(Sized(), folder, tmp_path / "captions.jsonl", "sized")
    assert {name: name not in captions.bad for name in expected} == expected

    loader = ImageLoader((folder,))
    store = FeatureStore.of(model.image_encoder, tmp_path / "features.lmdb")
    filled = store.fill(model.image_encoder, paths, loader)
    assert {path.name: path not in filled.bad for path in paths} == expected

    # One reason as well, whoever names it.
    for path in paths:
        if not expected[path.name] and path.name not in report.missing:
            assert filled.bad[path] == captions.bad[path.name] == report.unreadable[path.name]
    assert torch.isfinite(store.features([folder / "good.jpg"]).regions).all()

import json

import pytest
import torch
from PIL import Image

from mner.cli import main
from mner.contexts import UpDown
from mner.data.context_files import read_contexts
from mner.vision import Grid


@pytest.fixture
def checkpoint(tmp_path):
    """An untrained captioner of two words, as a training saves it."""
    torch.manual_seed(0)
    model = UpDown(["dog", "cat"], Grid("resnet10t", weights=None, image_size=32), 8, 8, 8, max_length=3)
    saved = {"state_dict": model.state_dict()}
    model.on_save_checkpoint(saved)
    torch.save(saved, tmp_path / "updown.ckpt")
    return tmp_path / "updown.ckpt"


@pytest.fixture
def images(tmp_path):
    """Three pictures and a broken one."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a", "b", "c"):
        Image.new("RGB", (32, 32), "red").save(folder / f"{name}.png")
    (folder / "broken.jpg").touch()
    return folder


def caption(images, output, *options):
    return main(["caption", "--images", str(images), "--output", str(output), "--accelerator", "cpu", *options])


def test_captions_from_a_checkpoint(checkpoint, images, tmp_path, capsys):
    output = tmp_path / "captions.jsonl"
    assert caption(images, output, "--captioner", str(checkpoint), "--batch_size", "2") == 0
    said = capsys.readouterr().out
    assert "3 images described, 0 skipped as already described, 1 could not be used" in said
    assert "broken.jpg" in said
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [line["image_id"] for line in lines] == ["a.png", "b.png", "c.png"]
    assert {line["captioner"] for line in lines} == {"updown.ckpt"}
    assert set(read_contexts(output).by_image) == {"a.png", "b.png", "c.png"}
    assert caption(images, output, "--captioner", str(checkpoint)) == 0
    assert "0 images described, 3 skipped" in capsys.readouterr().out


def test_objects(images, tmp_path, monkeypatch):
    import mner.contexts

    names = ["dog", "cat", "sports car"]

    tiny_class = mner.contexts.ClassifierTags
    monkeypatch.setattr(mner.contexts, "ClassifierTags", lambda name: tiny_class(name, None, 2, 0.0, names))
    output = tmp_path / "objects.jsonl"
    assert caption(images, output, "--kind", "objects", "--captioner", "resnet10t") == 0
    line = json.loads(output.read_text(encoding="utf-8").splitlines()[0])
    assert len(line["objects"]) == len(line["scores"]) == 2
    assert read_contexts(output).by_image["a.png"] == ", ".join(line["objects"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--captioner", "nowhere.ckpt"], "no checkpoint at"),
        (["--kind", "ocr", "--captioner", "tesseract"], "expected --captioner rapidocr"),
        (["--batch_size", "0"], "expected --batch_size"),
    ],
)
def test_errors_in_one_line(images, tmp_path, capsys, options, message):
    assert caption(images, tmp_path / "out.jsonl", *options) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_wrong_folder_shows_before_a_model_is_loaded(tmp_path, capsys):
    assert caption(tmp_path / "nowhere", tmp_path / "out.jsonl", "--captioner", "nobody/none") == 1
    assert "no folder" in capsys.readouterr().err

"""The example that trains a detector reads a file of boxes, and refuses a wrong one in one line."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_detector.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("train_detector", EXAMPLE)
    module = sys.modules["train_detector"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["train_detector"]


def write(folder, **changed):
    Image.new("RGB", (100, 50)).save(folder / "a.png")
    records = [{"image": "empty.png", "boxes": [], "labels": []}]
    records.append({"image": "a.png", "boxes": [[10, 10, 50, 60]], "labels": ["PER"], **changed})
    (folder / "boxes.jsonl").write_text("\n\n".join(map(json.dumps, records)), encoding="utf-8")
    return folder / "boxes.jsonl"


def test_boxes_as_fractions_of_the_image(example, tmp_path):
    (read,) = example.read_examples(write(tmp_path), tmp_path)
    assert torch.equal(read.boxes, torch.tensor([[0.1, 0.2, 0.5, 1.0]]))
    assert (read.image, read.labels) == (tmp_path / "a.png", ["PER"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": None}, "line 3: labels that are not 1 names: None"),
        ({"labels": ["PER", "ORG"]}, "line 3: labels that are not 1 names"),
        ({"boxes": [[0.1, 0.1, 0.5, 0.6]]}, "line 3: boxes that are not in .*a.png. Expected corners in pixels"),
        ({"boxes": [[10, 10, 5, 60]]}, "line 3: the box .* has no area"),
        ({"boxes": [], "labels": []}, "boxes.jsonl: no box"),
        ({"image": "b.png"}, "b.png: no such file"),
    ],
)
def test_mistakes_are_one_line(example, tmp_path, monkeypatch, changed, message):
    words = ["train_detector.py", tmp_path / "out", "--boxes", write(tmp_path, **changed), "--images", tmp_path]
    monkeypatch.setattr(sys, "argv", list(map(str, words)))
    with pytest.raises(SystemExit, match=rf"^train_detector.py: error: [^\n]*{message}"):
        example.main()

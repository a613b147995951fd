"""``mner attend``: a figure and a record a post, and a line for each that cannot be drawn."""

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from untrained_checkpoint import save_untrained

pytest.importorskip("matplotlib")

from mner.cli import main
from mner.fusion import Concatenation, ModalityAttention, TextOnly, VisualAttention
from mner.labels import labels_for
from mner.testing import TinyRegions
from mner.testing.parts import tiny_text_encoder
from mner.vision import Grid

LABELS = labels_for(("PER", "LOC"))


def saved(folder, cls, image_encoder):
    """A checkpoint of an untrained model."""
    torch.manual_seed(0)
    parts = {} if image_encoder is None else {"image_encoder": image_encoder}
    model = cls(labels=LABELS, text_encoder=tiny_text_encoder(), **parts)
    return save_untrained(model, folder / "model.ckpt")


@pytest.fixture
def grid():
    return Grid("test_resnet", weights=None, image_size=64)


@pytest.fixture
def posts(tmp_path):
    """Three posts: one with a picture, one whose picture is broken, one that names none."""
    (tmp_path / "images").mkdir()
    Image.effect_noise((90, 60), 80).convert("RGB").save(tmp_path / "images" / "one.png")
    (tmp_path / "images" / "two.jpg").write_bytes(b"no picture")
    lines = [
        {"id": "1/a", "image_id": "one.png", "tokens": ["Kevin", "in", "Oslo"]},
        {"id": "2", "image_id": "two.jpg", "tokens": ["Kevin"]},
        {"id": "3", "tokens": ["Kevin"]},
    ]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return [
        str(tmp_path / "posts.jsonl"),
        "--images",
        str(tmp_path / "images"),
        "--output",
        str(tmp_path / "out"),
    ]


def test_the_record_is_the_models_attention(tmp_path, posts, grid, capsys):
    checkpoint = saved(tmp_path, VisualAttention, grid)
    assert main(["attend", "--ckpt_path", checkpoint, *posts]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'out' / '1_a.png'}\n"
    assert "2: " in said.err
    assert "3: the post names no image" in said.err
    assert Image.open(tmp_path / "out" / "1_a.png").size > (300, 150)
    record = json.loads((tmp_path / "out" / "1_a.json").read_text(encoding="utf-8"))
    assert (record["words"], record["size"], record["grid"]) == (["Kevin", "in", "Oslo"], [90, 60], [2, 2])
    weights = torch.tensor(record["regions"])
    assert weights.shape == (3, 4)
    assert torch.allclose(weights.sum(dim=1), torch.ones(3), atol=1e-3)
    assert {name: torch.tensor(gate).shape for name, gate in record["gates"].items()} == {
        "visual": (3, 16),
        "textual": (3, 16),
    }
    assert torch.tensor(record["places"]).shape == (4, 4)


def test_gates_without_attention_are_drawn(tmp_path, posts, grid):
    checkpoint = saved(tmp_path, ModalityAttention, grid)
    assert main(["attend", "--ckpt_path", checkpoint, *posts, "--format", "[svg]"]) == 0
    record = json.loads((tmp_path / "out" / "1_a.json").read_text(encoding="utf-8"))
    assert record["regions"] is None
    assert set(record["gates"]) == {"words", "characters", "visual"}
    assert (tmp_path / "out" / "1_a.svg").read_text(encoding="utf-8").count("<image") == 2  # the picture and the table


@pytest.mark.parametrize(
    ("cls", "pictures", "said"),
    [(TextOnly, False, "sees no images"), (Concatenation, True, "attends to no regions and has no gates")],
)
def test_a_method_that_attends_to_nothing_is_refused(tmp_path, posts, grid, capsys, cls, pictures, said):
    checkpoint = saved(tmp_path, cls, grid if pictures else None)
    assert main(["attend", "--ckpt_path", checkpoint, *posts]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "VisualAttention, CoAttention" in error


def test_boxes_leave_their_padding_out(tmp_path, posts):
    checkpoint = saved(tmp_path, VisualAttention, TinyRegions())
    assert main(["attend", "--ckpt_path", checkpoint, *posts]) == 0
    record = json.loads((tmp_path / "out" / "1_a.json").read_text(encoding="utf-8"))
    assert record["grid"] is None
    assert len(record["places"]) == len(record["regions"][0]) <= 4
    assert sum(record["regions"][0]) == pytest.approx(1, abs=1e-3)


@pytest.mark.realdata
def test_real_pictures(tmp_path, grid):
    sample = Path(os.environ["MNER_DATA"]) / "sample" / "twitter_2017"
    checkpoint = saved(tmp_path, VisualAttention, grid)
    (posts,) = (sample / "texts" / "test").iterdir()
    options = [str(posts), "--images", str(sample / "images" / "test"), "--output", str(tmp_path / "out")]
    assert main(["attend", "--ckpt_path", checkpoint, *options]) == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 5


def test_a_figure_never_replaces_an_image(tmp_path, posts, grid, capsys):
    images = tmp_path / "images"
    (tmp_path / "posts.jsonl").write_text(
        json.dumps({"id": "one", "image_id": "one.png", "tokens": ["Kevin", "in", "Oslo"]}), encoding="utf-8"
    )
    content = (images / "one.png").read_bytes()
    command = ["attend", *posts[:-1], str(images), "--ckpt_path", saved(tmp_path, VisualAttention, grid)]
    assert main([*command, "--of", "words", "--format", "[png]"]) == 1
    assert "one.png: this command reads it" in capsys.readouterr().err
    assert (images / "one.png").read_bytes() == content


def test_a_figure_per_image_and_columns_of_other_names(tmp_path, posts, grid, capsys):
    Image.effect_noise((60, 90), 80).convert("RGB").save(tmp_path / "images" / "three.png")
    line = {"id": "4", "photos": ["one.png", "two.jpg", "three.png"], "parts": ["Kevin", "in", "Oslo"]}
    (tmp_path / "posts.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    checkpoint = saved(tmp_path, VisualAttention, grid)
    columns = ["--columns", "tokens=parts", "images=photos", "--of", "words"]
    assert main(["attend", "--ckpt_path", checkpoint, *posts, *columns]) == 0
    said = capsys.readouterr()
    assert [Path(name).name for name in said.out.split()] == ["4_1.png", "4_3.png"]
    assert "two.jpg" in said.err
    records = [json.loads((tmp_path / "out" / f"4_{number}.json").read_text(encoding="utf-8")) for number in (1, 3)]
    assert [record["image"] for record in records] == ["one.png", "three.png"]
    weights = [sum(record["regions"][0]) for record in records]
    assert sum(weights) == pytest.approx(1, abs=1e-3)
    assert min(weights) > 0

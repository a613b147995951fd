"""``mner tag`` and ``mner attend`` of a model that grounds entities: boxes in the JSON and in figures."""

import json

import pytest
import torch
from PIL import Image
from untrained_checkpoint import save_untrained

from mner.cli import main
from mner.fusion import CoAttention, VisualAttention
from mner.grounding import RegionPointer
from mner.labels import labels_for
from mner.testing import TinyRegions, tiny_text_encoder

pytestmark = pytest.mark.filterwarnings("ignore")
WHOLE = [0.0, 0.0, 1.0, 1.0]


def saved(folder, cls=CoAttention, grounding=None):
    """A checkpoint of a model that finds a place in every word, and the whole image as its region."""
    torch.manual_seed(0)
    labels = labels_for(("LOC",))
    model = cls(labels=labels, text_encoder=tiny_text_encoder(), image_encoder=TinyRegions(), grounding=grounding)
    with torch.no_grad():
        model.emission_layer.bias[labels.index("B-LOC")] = 100
        if grounding is not None:
            grounding.not_shown.bias.fill_(-100)
    return save_untrained(model, folder / "model.ckpt")


@pytest.fixture
def posts(tmp_path):
    (tmp_path / "images").mkdir()
    Image.effect_noise((90, 60), 80).convert("RGB").save(tmp_path / "images" / "one.png")
    (tmp_path / "images" / "two.png").write_bytes(b"no image")
    lines = [
        {"id": "a/b", "image_id": "one.png", "tokens": ["Oslo"]},
        {"id": "a/b", "image_id": "one.png", "tokens": ["Oslo", "Rome"]},
        {"id": "2", "image_id": "two.png", "tokens": ["Oslo"]},
        {"id": "3", "tokens": ["Oslo"]},
    ]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return [str(tmp_path / "posts.jsonl"), "--images", str(tmp_path / "images"), "--accelerator", "cpu"]


def test_tag_writes_and_draws_boxes(tmp_path, posts, capsys):
    pytest.importorskip("matplotlib")
    checkpoint = saved(tmp_path, grounding=RegionPointer())
    assert main(["tag", *posts, "--ckpt_path", checkpoint, "--figures", str(tmp_path / "figures")]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [[entity["boxes"] for entity in record["predicted"]] for record in records] == [
        [[WHOLE]],
        [[WHOLE], [WHOLE]],
        [[]],  # an image that cannot be used, and none
        [[]],
    ]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["1_a_b.png", "2_a_b.png"]
    assert Image.open(tmp_path / "figures" / "1_a_b.png").size > (300, 200)


def test_attend_draws_boxes_too(tmp_path, posts):
    pytest.importorskip("matplotlib")
    checkpoint = saved(tmp_path, VisualAttention, RegionPointer())
    assert main(["attend", *posts, "--ckpt_path", checkpoint, "--output", str(tmp_path / "out")]) == 0
    record = json.loads((tmp_path / "out" / "a_b.json").read_text(encoding="utf-8"))
    assert [entity["boxes"] for entity in record["entities"]] == [[WHOLE]]


def test_figures_need_a_model_that_grounds(tmp_path, posts, capsys):
    checkpoint = saved(tmp_path)
    assert main(["tag", *posts, "--ckpt_path", checkpoint, "--figures", str(tmp_path / "figures")]) == 1
    assert "--figures draws the boxes of entities, but the model predicts none" in capsys.readouterr().err

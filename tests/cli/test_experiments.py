"""The eight experiments of the paper run: fit, test and tag, on tiny encoders here and on real images where asked."""

import json
import os
from pathlib import Path

import pytest
import yaml

import mner
from mner.cli import main
from mner.data.writers import write_json_lines

pytestmark = pytest.mark.filterwarnings("ignore")
CONFIGS = Path(mner.__file__).parent / "configs"
FUSIONS = {
    "1.0_bert_crf": "TextOnly",
    "1.1_bert_cm_crf": "Concatenation",
    "1.2_bert_vam_crf": "VisualAttention",
    "1.3_bert_cam_crf": "CoAttention",
    "2.0_visualbert_crf": "TextOnly",
    "2.1_visualbert_tam_crf": "TransformerAttention",
    "3.0_bert_crf_captions": "TextOnly",
    "3.1_visualbert_crf_captions": "TextOnly",
}
SIMILAR = ("1.1_bert_cm_crf", "1.2_bert_vam_crf", "3.1_visualbert_crf_captions")
"""Differ from another experiment by the fusion, which other tests train, or by the captions of another encoder."""


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tiny(tiny_text_encoder_folder, tmp_path):
    """A config that swaps in encoders as ``offline.yaml`` does, tiny ones."""
    arguments = {
        "text_encoder": {"init_args": {"name": str(tiny_text_encoder_folder)}},
        "image_encoder": {"class_path": "mner.testing.TinyGrid"},
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps({"model": {"init_args": arguments}}), encoding="utf-8")
    return path


def run_everything(experiment, posts, *options):
    """Fit, test on the posts, and tag them; returns the model."""
    config = CONFIGS / "experiments" / f"{experiment}.yaml"
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
    run = ["--trainer.accelerator", "cpu", "--trainer.max_epochs", "1", *quiet]
    assert main(["fit", "--config", str(config), *map(str, options), *run, "--run_folder", "run"]) == 0
    data = {"data": yaml.safe_load(Path("run/config.yaml").read_text(encoding="utf-8"))["data"]}
    Path("data.yaml").write_text(json.dumps(data), encoding="utf-8")
    assert (
        main(["test", "--ckpt_path", "run/best.ckpt", "--config", "data.yaml", *quiet, "--run_folder", "tested"]) == 0
    )
    predicted = entities("run/predictions.jsonl")
    assert len(predicted) == len(posts)
    assert entities("tested/predictions.jsonl") == predicted
    images = next(post.image.parent for post in posts if post.image)
    write_json_lines(posts, "posts.jsonl", images=images)
    files = ["posts.jsonl", "--images", str(images), "--output", "tagged.jsonl"]
    assert main(["tag", *files, "--ckpt_path", "run/best.ckpt"]) == 0
    assert entities("tagged.jsonl") == predicted
    return mner.load_model("run/best.ckpt")


def contexts(experiment):
    return ["caption"] if "captions" in experiment else []


def entities(path):
    """The entities of each post in a file of predictions, by the post's id."""
    lines = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return {line["id"]: [(each["start"], each["end"], each["type"]) for each in line["predicted"]] for line in lines}


def test_there_are_eight():
    assert {path.stem for path in (CONFIGS / "experiments").glob("[0-9].*.yaml")} == set(FUSIONS)


@pytest.mark.parametrize(
    "experiment", [pytest.param(each, marks=pytest.mark.slow) if each in SIMILAR else each for each in FUSIONS]
)
def test_it_runs(experiment, tiny, shared_twitter_folder):
    from mner.data import Twitter2017

    posts = Twitter2017(shared_twitter_folder, contexts=contexts(experiment)).posts("test")
    options = ["--config", tiny, "--data", "Twitter2017", "--data.root", shared_twitter_folder]
    model = run_everything(experiment, posts, *options)
    assert type(model).__name__ == FUSIONS[experiment]
    assert model.text_encoder.hidden_size == 16
    assert (model.image_encoder is None) == (FUSIONS[experiment] == "TextOnly")


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("data", ["sample", "demo"])
@pytest.mark.parametrize("experiment", FUSIONS)
def test_it_runs_offline_on_pictures(experiment, data, tmp_path):
    from mner.data import Twitter2015
    from mner.demo import DemoPosts

    if data == "sample":
        root = Path(os.environ["MNER_DATA"]) / "sample" / "twitter_2015"
        posts = Twitter2015(root, contexts=contexts(experiment)).posts("test")
        options = ["--config", CONFIGS / "data" / "twitter2015.yaml", "--data.init_args.root", root]
    else:
        root = tmp_path / "demo"
        source = DemoPosts(size=16, root=root, contexts=contexts(experiment))
        source.prepare_data()
        posts = source.posts("test")
        options = ["--config", CONFIGS / "data" / "demo.yaml", "--data.init_args.root", root]
        options += ["--data.init_args.size", "16"]
    model = run_everything(experiment, posts, *options, "--config", CONFIGS / "offline.yaml")
    assert type(model).__name__ == FUSIONS[experiment]

"""Model cards: the scores of the run, valid metadata, and names from data as text."""

import json
import re

import pytest
from huggingface_hub import ModelCard

import mner
from mner.errors import FormatError
from mner.posts import Entity, Post
from mner.predictions import Prediction, write_predictions
from mner.sharing.card import model_card


def test_a_card_reports_the_run(trained_run):
    model = mner.load_model(trained_run / "best.ckpt")
    text = model_card(model, "user/name", trained_run, "mit")
    metrics = json.loads((trained_run / "metrics.json").read_text(encoding="utf-8"))
    data = ModelCard(text).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("mit", "mner", "token-classification")
    scores = {result.metric_name: result.metric_value for result in data.eval_results}
    assert scores["F1"] == round(metrics["f1"], 6)
    assert scores["F1 strict"] == round(metrics["f1_strict"], 6)
    assert 'mner.load("user/name")' in text
    assert "* data: Twitter2017, 20 training posts" in text
    assert f"| all | {100 * metrics['precision']:.2f} |" in text
    assert f"| PER | {100 * metrics['precision_PER']:.2f} |" in text
    assert "expected calibration error" in text
    assert "generated posts" not in text


def test_ablations_and_generated_posts(make_model, tmp_path):
    post = Post("1", ("Oslo", "Riga"), ("B-LOC", "B-LOC"))
    (tmp_path / "metrics.json").write_text('{"split": "test", "f1": 1.0}', encoding="utf-8")
    (tmp_path / "config.yaml").write_text("data: {class_path: mner.demo.DemoPosts}\n", encoding="utf-8")
    write_predictions([Prediction(post, (Entity("LOC", 0, 1),))], tmp_path / "predictions.blank_images.jsonl")
    text = model_card(make_model(), "name", tmp_path)
    assert "| blank images | 66.67 |" in text
    assert "knows only such posts" in text
    assert "* seed: not set" in text


def test_scores_of_mner_test(make_model, tmp_path):
    """Its folder is below the run folder of the training, and it may score other data."""
    (tmp_path / "config.yaml").write_text(
        "data: {class_path: mner.data.Twitter2017}\nseed_everything: 7\n", encoding="utf-8"
    )
    folder = tmp_path / "test"
    folder.mkdir()
    record = {"data": "Twitter2015", "version": "Zhang", "split": "test", "posts": 9, "f1": 0.5, "gmner_f1": 0.25}
    (folder / "metrics.json").write_text(json.dumps(record), encoding="utf-8")
    model = make_model()
    model.decoder.temperature = 1.5
    text = model_card(model, "name", folder)
    assert "* data: Twitter2017\n* seed: 7" in text
    assert "On the test split of Twitter2015 (Zhang), 9 posts" in text
    assert "| all, with their boxes |  |  | 25.00 |  |" in text
    assert "divided by 1.5" in text
    assert [result.dataset_name for result in ModelCard(text).data.eval_results] == ["Twitter2015, Zhang"]


def test_the_example_gives_the_contexts_that_the_model_reads(make_model):
    text = model_card(make_model(contexts=["caption", "ocr"]), "name")
    assert 'tagger.predict("Jordan is back in Paris", contexts={"caption": "...", "ocr": "..."})' in text
    assert "contexts=" not in model_card(make_model(), "name")


def test_only_a_release_is_installed_by_its_number(make_model, monkeypatch):
    for version, said in (("1.2.0", "pip install mner==1.2.0"), ("1.2.0.dev0", "1.2.0.dev0 of mner is not released")):
        monkeypatch.setattr("mner.sharing.card.__version__", version)
        text = model_card(make_model(), "name")
        assert said in text
        assert ("pip install mner==" in text) == (version == "1.2.0")


def test_without_a_run_nothing_is_claimed(make_model):
    text = model_card(make_model(), "name")
    assert "Not recorded." in text
    assert "Not stated by the authors." in text
    assert ModelCard(text).data.eval_results is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.json", b"{", "it cannot be read"),
        ("metrics.json", b"\xff", "it cannot be read"),
        ("metrics.json", b"[1]", "expected a mapping, got a list"),
        ("metrics.json", b'{"f1": "good"}', "expected f1 to be a number, got 'good'"),
        ("config.yaml", b"data: [", "it cannot be read"),
        ("config.yaml", b"- data", "expected a mapping, got a list"),
    ],
)
def test_malformed_files_of_a_run_are_named(make_model, tmp_path, name, content, message):
    (tmp_path / "metrics.json").write_text('{"f1": 1.0}', encoding="utf-8")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=re.escape(str(tmp_path / name))) as caught:
        model_card(make_model(), "name", tmp_path)
    assert message in str(caught.value)


def test_sections_of_a_config_may_be_anything(make_model, tmp_path):
    (tmp_path / "metrics.json").write_text('{"f1": 1}', encoding="utf-8")
    (tmp_path / "config.yaml").write_text("data: Twitter2017\ntrainer: 3\n", encoding="utf-8")
    assert "| all |  |  | 100.00 |  |" in model_card(make_model(), "name", tmp_path)


def test_names_from_data_are_text(make_model):
    text = model_card(make_model(labels=["O", "B-<script>|x*", "I-<script>|x*"]), 'a"b\nc: <b>')
    assert "<script>" not in text
    assert r"&lt;script>\|x\*" in text
    assert 'mner.load("a\\"b\\nc: <b>")' in text
    assert ModelCard(text).data.library_name == "mner"

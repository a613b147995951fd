"""An option that does nothing without another one, or with this model or prompt, is refused; it says what to do."""

import json

import pytest

from mner.cli import main
from mner.data.readers import iter_posts, read_posts
from mner.errors import ConfigurationError

ENDPOINT = ("--writer", "ChatEndpoint", "--writer.base_url", "http://127.0.0.1:9/v1", "--writer.model", "m")
ASK = ("--posts", "posts.txt", "--output", "out.jsonl", *ENDPOINT)
GRID = ("--models", "{a: {configs: [grid.yaml]}}", "--data", "{b: {}}", "--seeds", "[0]")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "posts.txt").write_text("Ana\tB-PER\nin\tO\nLugo\tB-LOC\n", encoding="utf-8")
    (tmp_path / "x").touch()
    (tmp_path / "grid.yaml").write_text("{}", encoding="utf-8")
    (tmp_path / "captions.jsonl").write_text('{"id": "1", "caption": "a man"}\n', encoding="utf-8")
    for name, question in (("bare", "About ${post}"), ("captions", "About ${post}, ${caption}")):
        prompt = {"kind": "topic", "instructions": "Answer.", "question": question}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(prompt), encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["show", "posts.txt", "--title", "x"], "--title does nothing without --output; add it, or leave --title out"),
        (["show", "posts.txt", "--images", "."], "--images does nothing without --output"),
        (["demo", "--ckpt_path", "x", "--images", "."], "--images does nothing without --examples"),
        (["demo", "--ckpt_path", "x", "--columns", "text=a"], "--columns does nothing without --examples"),
        (["tag", "posts.txt", "--ckpt_path", "x", "--num_actors", "2"], "without --engine ray"),
        (["tag", "posts.txt", "--ckpt_path", "x", "--output_format", "parquet"], "without --engine ray"),
        *(
            ([*command, "--remote_images.protocols", "[https]"], "--remote_images does nothing without --images")
            for command in (
                ["tag", "posts.txt", "--ckpt_path", "x"],
                ["calibrate", "posts.txt", "--ckpt_path", "x", "--output", "y"],
                ["attend", "posts.txt", "--ckpt_path", "x", "--output", "y"],
                ["split", "posts.txt", "--output", "y"],
                ["check-data", "posts.txt"],
                ["describe", *ASK],
            )
        ),
        (["describe", *ASK, "--solutions", "captions.jsonl"], "--solutions does nothing without --examples"),
        (["describe", *ASK, "--num_examples", "3"], "--num_examples does nothing without --examples"),
        (["prompt", *ASK, "--example_images", "."], "--example_images does nothing without --examples"),
        (["prompt", *ASK, "--show_example_images", "true"], "--show_example_images does nothing without --examples"),
        (["describe", *ASK, "--prompt", "bare.yaml", "--captions", "captions.jsonl"], "no field ${caption}"),
        (["describe", *ASK, "--prompt", "captions.yaml", "--examples", "posts.txt"], "no field ${examples}"),
        (
            ["fit", "--config", "demo", "--config", "1.0_bert_crf", "--base", "bert"],
            "a training takes that of its config",
        ),
        (["experiment", *GRID, "--base", "bert"], "a training takes that of its config"),
        (["tag", "posts.txt", "--ckpt_path", "x", "--base", "a", "--base", "b"], "--base is given 2 times"),
    ],
)
def test_options_without_the_one_that_they_need(command, complaint, capsys):
    assert main(command) in (1, 2)
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--max_retries", "1"], "--max_retries does nothing without --engine ray"),
        (["--cpus_per_cell", "2"], "--cpus_per_cell does nothing without --engine ray"),
        (
            ["--search.space", "{x: {low: 0, high: 1}}", "--search.num_trials", "2", "--dry_run"],
            "a search chooses them",
        ),
    ],
)
def test_options_of_experiments(options, complaint, capsys):
    assert main(["experiment", *GRID, *options]) in (1, 2)
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--half_precision_features", "true"], "--half_precision_features does nothing without --feature_store"),
        (["--on_overlap", "drop"], "--on_overlap does nothing without --held_out"),
        (
            ["--early_stopping.patience", "null", "--early_stopping.stopping_threshold", "0.9"],
            "--early_stopping.stopping_threshold does nothing without a patience",
        ),
        (
            ["--trainer.enable_checkpointing", "false", "--checkpoint.save_top_k", "3"],
            "--checkpoint.save_top_k does nothing without --trainer.enable_checkpointing",
        ),
        (
            ["--trainer.enable_checkpointing", "false", "--checkpoint.every_n_train_steps", "5"],
            "--checkpoint.every_n_train_steps does nothing without --trainer.enable_checkpointing",
        ),
    ],
)
def test_options_of_a_training(options, complaint, capsys, experiment):
    assert main(["fit", "--config", str(experiment), *options, "--run_folder", "run"]) == 1
    assert complaint in capsys.readouterr().err


def test_options_of_images_for_a_model_that_sees_none(trained_run, capsys):
    checkpoint = str(trained_run / "best.ckpt")
    assert main(["tag", "posts.txt", "--ckpt_path", checkpoint, "--draft_images", "true"]) == 1
    assert "sees no images to decode" in capsys.readouterr().err


def test_a_report_has_no_images_of_another_data_set(tmp_path, capsys):
    pytest.importorskip("statsmodels")
    line = '{"id": "1", "words": ["Ana"], "predicted": [], "gold": []}\n'
    (tmp_path / "predictions.jsonl").write_text(line, encoding="utf-8")
    for option in ("--train", "--images"):
        assert main(["report", "a=predictions.jsonl", "--output", "out", option, "other=posts.txt"]) == 1
        assert "no result is on 'other', of other=posts.txt; the results are on" in capsys.readouterr().err


def test_options_of_readers():
    table = [{"tokens": ["Ana"], "tags": ["B-PER"]}]
    frame = pytest.importorskip("pandas").DataFrame(table)
    for read in (read_posts, lambda *given, **options: list(iter_posts(*given, **options))):
        with pytest.raises(ConfigurationError, match="expected no format for a table, got 'csv'"):
            read(frame, format="csv")
    with pytest.raises(ConfigurationError, match=r"tag_column for a CoNLL file, and DataFrame is a table"):
        read_posts(frame, tag_column=2)
    with pytest.warns(UserWarning, match="annotator is not used: this format has none"):
        read_posts("posts.txt", annotator="ana")

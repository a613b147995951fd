"""fit, validate, test and predict, in process, on tiny parts."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import mner
import mner.fusion
from mner.checkpoints import load_checkpoint
from mner.cli import main
from mner.predictions import read_predictions

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def data(shared_twitter_folder):
    return ["--data", "Twitter2017", "--data.root", str(shared_twitter_folder)]


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    """Runs go to a folder of their own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fit(experiment):
    def run(*options):
        return main(["fit", "--config", str(experiment), "--trainer.max_epochs", "1", *options])

    return run


def same_weights(left, right):
    one, two = (load_checkpoint(path)["state_dict"] for path in (left, right))
    return one.keys() == two.keys() and all(torch.equal(weight, two[name]) for name, weight in one.items())


def test_a_training_leaves_everything_in_its_folder(trained_run):
    names = {path.name for path in trained_run.iterdir()}
    assert {"best.ckpt", "last.ckpt", "config.yaml", "metrics.csv", "metrics.json", "predictions.jsonl"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert "interrupted.ckpt" not in names
    with (trained_run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows if row["val/f1"]] == [str(epoch) for epoch in range(6)]
    assert [row["step"] for row in rows if row["train/loss"]] == ["9", "19", "29"]
    assert sum(bool(row["test/f1"]) for row in rows) == 1
    best = max(float(row["val/f1"]) for row in rows if row["val/f1"])
    (state,) = (
        state for name, state in load_checkpoint(trained_run / "best.ckpt")["callbacks"].items() if "ModelC" in name
    )
    assert state["best_model_score"].item() == pytest.approx(best)


def test_fit_ends_with_the_scores_the_checkpoint_and_how_to_tag(fit, capsys, working_directory):
    assert fit() == 0
    printed = capsys.readouterr().out
    assert "5 test posts" in printed
    assert "overall (micro)" in printed
    assert f"checkpoint: {working_directory / 'runs' / '0' / 'best.ckpt'}" in printed
    command = printed.split("tag a post: ")[1].strip().replace("mner tag", f"{sys.executable} -m mner tag")
    assert command.startswith("echo 'RT @dana : Kevin Durant enters' | ")


def test_fit_of_a_model_that_looks_at_images_ends_with_how_to_tag_one(fit, capsys):
    model = ["--model", "LateFusion", "--model.image_encoder", "mner.testing.TinyGrid"]
    assert fit(*model, "--data", "DemoPosts", "--data.size", "16", "--data.root", "demo") == 0
    printed = capsys.readouterr().out
    command = printed.split("tag a post: ")[1].strip().replace("mner tag", f"{sys.executable} -m mner tag")
    tagged = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert json.loads(tagged.stdout)["image"].endswith(".jpg")


@pytest.mark.parametrize("fusion", [name for name in mner.fusion.__all__ if name not in ("Attention", "FusionModule")])
def test_every_fusion_is_trained_saved_and_loaded(fusion, fit, tiny_text_encoder_folder):
    text_encoder = "VisualBertText" if fusion == "TransformerAttention" else "HuggingFaceText"
    options = ["--model", fusion, "--model.image_encoder", "mner.testing.TinyGrid"]
    options += ["--model.text_encoder", text_encoder, "--model.text_encoder.name", str(tiny_text_encoder_folder)]
    assert fit(*options) == 0
    model = mner.load_model("runs/0/best.ckpt")
    assert type(model).__name__ == fusion
    (record, *_) = read_predictions("runs/0/predictions.jsonl")
    assert mner.load("runs/0/best.ckpt").predict(record.post.words, record.post.image) == list(record.entities)


def test_runs_are_numbered_and_never_overwritten(fit, working_directory, capsys):
    assert fit() == 0
    assert fit() == 0
    assert sorted(path.name for path in (working_directory / "runs").iterdir()) == ["0", "1"]
    assert same_weights("runs/0/best.ckpt", "runs/1/best.ckpt")
    assert fit("--run_folder", "runs/1") == 1
    assert "runs/1 holds the checkpoints of a training" in capsys.readouterr().err
    assert fit("--run_folder", "elsewhere", "--seed_everything", "1") == 0
    assert not same_weights("runs/0/best.ckpt", "elsewhere/best.ckpt")


def test_the_saved_config_repeats_the_training(fit, working_directory):
    assert fit("--model.init_args.dropout", "0.2") == 0
    config = yaml.safe_load(Path("runs/0/config.yaml").read_text())
    assert config["model"]["init_args"]["dropout"] == 0.2
    assert "runs/0" not in Path("runs/0/config.yaml").read_text()
    assert main(["fit", "--config", "runs/0/config.yaml"]) == 0
    assert same_weights("runs/0/best.ckpt", "runs/1/best.ckpt")


def test_test_needs_a_checkpoint_and_data_alone(trained_run, data, tmp_path, capsys):
    checkpoint = trained_run / "best.ckpt"
    assert main(["test", "--ckpt_path", str(checkpoint), *data, "--run_folder", "results"]) == 0
    assert Path("results/predictions.jsonl").read_bytes() == (trained_run / "predictions.jsonl").read_bytes()
    metrics, of_fit = (json.loads((folder / "metrics.json").read_text()) for folder in (Path("results"), trained_run))
    assert of_fit.pop("train_posts") == 20
    assert metrics == of_fit
    printed = capsys.readouterr().out
    assert f"model: TextOnly from {checkpoint}, labels O, B-PER" in printed
    assert printed.count("overall (micro)") == 1
    assert "Test metric" not in printed
    assert {path.name for path in tmp_path.rglob("*")} == {"results", "metrics.json", "predictions.jsonl"}


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
@pytest.mark.parametrize("config", ["experiment", "config.yaml"])
def test_the_configs_of_the_training_may_be_given_too(command, config, experiment, trained_run, capsys):
    path = experiment if config == "experiment" else trained_run / config
    checkpoint = ["--ckpt_path", str(trained_run / "best.ckpt")]
    assert main([command, *checkpoint, "--config", str(path), "--run_folder", "results"]) == 0
    assert "the model of the configs is ignored: a checkpoint holds its own" in capsys.readouterr().out
    predictions = read_predictions("results/predictions.jsonl")
    split = "valid" if command == "validate" else "test"
    assert [prediction.post.id for prediction in predictions] == [f"{split}_16_05_{index}" for index in range(5)]
    assert Path("results/metrics.json").exists() == (command != "predict")


def test_results_go_beside_the_checkpoint(trained_run, data, tmp_path):
    Path("moved").mkdir()
    Path("moved/best.ckpt").write_bytes((trained_run / "best.ckpt").read_bytes())
    assert main(["validate", "--ckpt_path", "moved/best.ckpt", *data]) == 0
    assert main(["test", "--ckpt_path", "moved/best.ckpt", *data]) == 0
    assert json.loads(Path("moved/validate/metrics.json").read_text())["split"] == "valid"
    assert json.loads(Path("moved/test/metrics.json").read_text())["split"] == "test"


USERS_CLASS = '''
import torch
from torch import nn
from mner.fusion import FusionModule

class Scaled(FusionModule):
    """Scale every word."""

    needs_image = False

    def __init__(self, factor: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = nn.Parameter(torch.full((self.text_encoder.hidden_size,), factor))

    def fuse(self, text, image):
        return text.words * self.scale
'''


def test_a_class_of_the_users_own_in_the_working_directory(fit, data, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("scaled_fusion.py").write_text(USERS_CLASS)
    assert fit("--model", "scaled_fusion.Scaled", "--model.factor", "0.5") == 0
    parameters = load_checkpoint("runs/0/best.ckpt")["hyper_parameters"]
    assert (parameters["_class_path"], parameters["factor"]) == ("scaled_fusion.Scaled", 0.5)
    assert main(["test", "--ckpt_path", "runs/0/best.ckpt", *data]) == 0
    Path("posts.txt").write_text("Kevin Durant is loud\n")
    capsys.readouterr()
    assert main(["tag", "posts.txt", "--checkpoint", "runs/0/best.ckpt", "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out)["words"] == ["Kevin", "Durant", "is", "loud"]
    model = mner.load_model("runs/0/best.ckpt")
    assert type(model) is sys.modules.pop("scaled_fusion").Scaled


def test_options_of_checkpoints_early_stopping_and_trainer(fit, capsys):
    options = [
        "--trainer.max_epochs",
        "9",
        "--early_stopping.patience",
        "1",
        "--model.init_args.optimization.lr",
        "1e-9",
    ]
    assert (
        fit(*options, "--checkpoint.save_last", "false", "--checkpoint.monitor", "val/loss", "--checkpoint.mode", "min")
        == 0
    )
    with Path("runs/0/metrics.csv").open() as file:
        assert len([row for row in csv.DictReader(file) if row["val/f1"]]) == 2
    assert not Path("runs/0/last.ckpt").exists()


def test_a_training_without_validation_says_so(fit, capsys):
    assert fit("--trainer.limit_val_batches", "0", "--early_stopping.strict", "false") == 0
    assert "nothing was validated" in capsys.readouterr().out
    assert Path("runs/0/last.ckpt").exists()


def test_a_data_set_without_a_test_split_is_scored_on_validation(fit, shared_twitter_folder, trained_run, capsys):
    Path("data").mkdir()
    for split in ("train", "valid"):
        Path(f"data/{split}.txt").write_bytes((shared_twitter_folder / f"{split}.txt").read_bytes())
    assert fit("--data.init_args.root", "data", "--model.init_args.optimization.ema_decay", "0.9") == 0
    assert "no test split: scoring the validation split" in capsys.readouterr().out
    best = json.loads(Path("runs/0/metrics.json").read_text())["f1"]
    assert main(["validate", "--ckpt_path", "runs/0/best.ckpt", "--data", "Twitter2017", "--data.root", "data"]) == 0
    assert json.loads(Path("runs/0/metrics.json").read_text())["f1"] == best
    data = ["--data", "Twitter2017", "--data.root", "data"]
    assert main(["test", "--ckpt_path", str(trained_run / "best.ckpt"), *data, "--run_folder", "x"]) == 1
    assert "data has no test split; looked for test.txt" in capsys.readouterr().err


FAILING_CLASS = '''
import os, signal
from mner.fusion import TextOnly

class Failing(TextOnly):
    """Fails in its seventh step, or has Ctrl-C pressed, where a file says so."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if self.global_step == 6 and os.path.exists("fail"):
            raise MemoryError("out of memory")
        if self.global_step == 6 and os.path.exists("press"):
            os.kill(os.getpid(), signal.SIGINT)
        return loss
'''


@pytest.mark.parametrize(("cause", "status"), [("fail", 1), ("press", 130)])
def test_an_interrupted_training_goes_on_where_it_stood(fit, monkeypatch, capsys, cause, status):
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("failing.py").write_text(FAILING_CLASS)
    model = ["--model", "failing.Failing", "--trainer.max_epochs", "2", "--model.optimization.ema_decay", "0.9"]
    assert fit(*model, "--run_folder", "whole") == 0
    Path(cause).touch()
    try:
        assert fit(*model, "--run_folder", "parts") == status
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    said = "interrupted; to go on, repeat the command with --ckpt_path parts/interrupted.ckpt"
    assert said in capsys.readouterr().out
    Path(cause).unlink()
    assert fit(*model, "--ckpt_path", "parts/interrupted.ckpt") == 0
    assert same_weights("whole/last.ckpt", "parts/last.ckpt")
    assert same_weights("whole/best.ckpt", "parts/best.ckpt")
    assert Path("whole/metrics.json").read_text() == Path("parts/metrics.json").read_text()
    assert Path("whole/predictions.jsonl").read_text() == Path("parts/predictions.jsonl").read_text()
    assert not Path("parts/interrupted.ckpt").exists()
    assert Path("parts/metrics.part_1.csv").exists()
    assert not Path("runs").exists()
    del sys.modules["failing"]


def test_a_training_that_fails_before_its_first_step_leaves_no_checkpoint(fit, capsys):
    assert fit("--data.init_args.contexts", "[ocr]") == 1
    assert "no ocr for the train posts" in capsys.readouterr().err
    assert not list(Path().rglob("*.ckpt"))


@pytest.mark.slow
def test_two_processes_score_as_one(trained_run, data):
    for name, devices in (("one", "1"), ("two", "2")):
        command = [sys.executable, "-m", "mner", "test", "--ckpt_path", str(trained_run / "best.ckpt"), *data]
        options = ["--run_folder", name, "--trainer.accelerator", "cpu", "--trainer.devices", devices]
        subprocess.run([*command, *options, "--data.batch_size", "2"], check=True)
    assert Path("one/predictions.jsonl").read_bytes() == Path("two/predictions.jsonl").read_bytes()
    assert Path("one/metrics.json").read_bytes() == Path("two/metrics.json").read_bytes()


@pytest.mark.slow
def test_two_processes_train_in_one_folder(experiment, working_directory):
    command = [sys.executable, "-m", "mner", "fit", "--config", str(experiment), "--trainer.max_epochs", "1"]
    subprocess.run([*command, "--trainer.devices", "2"], check=True)
    assert [path.name for path in (working_directory / "runs").iterdir()] == ["0"]
    assert len(read_predictions("runs/0/predictions.jsonl")) == 5

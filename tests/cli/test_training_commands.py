"""fit, validate, test and predict, in process, on tiny parts."""

import csv
import functools
import json
import math
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from filelock import FileLock
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import CSVLogger

import mner
import mner.fusion
from mner.checkpoint_file import load_checkpoint
from mner.cli import main
from mner.cli.run_folder import RunFolder
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
    with (trained_run / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows if row["val/f1"]] == [str(epoch) for epoch in range(6)]
    assert [row["step"] for row in rows if row["train/loss"]] == ["9", "19", "29"]
    assert sum(bool(row["test/f1"]) for row in rows) == 1
    best = max(float(row["val/f1"]) for row in rows if row["val/f1"])
    states = load_checkpoint(trained_run / "last.ckpt")["callbacks"]
    (state,) = (state for name, state in states.items() if name.startswith("BestCheckpoint"))
    assert state["best_model_score"].item() == pytest.approx(best)
    epochs = [
        line
        for line in (trained_run / "train.log").read_text(encoding="utf-8").splitlines()
        if line.startswith("epoch")
    ]
    assert len(epochs) == 6
    assert epochs[0].startswith("epoch 1/6, step 5: train/loss ")
    assert f"val/f1 {best:.4f} (best)" in "".join(epochs)


def test_a_users_monitors_log_to_the_loggers_of_the_run(fit):
    monitors = [
        {"class_path": "LearningRateMonitor"},
        {"class_path": "DeviceStatsMonitor", "init_args": {"cpu_stats": True}},
    ]
    assert fit("--trainer.callbacks", json.dumps(monitors), "--trainer.log_every_n_steps", "1") == 0
    with Path("runs/0/metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert any(row["lr-AdamW/pg1"] for row in rows)
    assert any(name.startswith("DeviceStatsMonitor") for name in rows[0])


def test_best_is_the_weights_and_last_is_everything(fit):
    assert fit("--model.optimization.ema_decay", "0.9", "--trainer.max_epochs", "2") == 0
    best, last = (load_checkpoint(f"runs/0/{name}.ckpt") for name in ("best", "last"))
    assert best.keys().isdisjoint({"optimizer_states", "callbacks", "weights_in_training"})
    assert {"optimizer_states", "callbacks", "loops", "weights_in_training", "random_states"} <= last.keys()
    assert last["epoch"] == 1
    assert Path("runs/0/best.ckpt").stat().st_size < Path("runs/0/last.ckpt").stat().st_size / 3


def test_fit_ends_with_the_scores_the_checkpoint_and_how_to_tag(fit, capsys, working_directory):
    assert fit() == 0
    printed = capsys.readouterr().out
    assert "5 test posts" in printed
    assert "overall (micro)" in printed
    assert f"checkpoint: {working_directory / 'runs' / '0' / 'best.ckpt'}" in printed
    command = printed.split("tag a post: ")[1].strip().replace("mner tag", f"{sys.executable} -m mner tag")
    assert command.startswith("echo 'RT @dana : Kevin Durant enters' | ")


def test_fit_of_a_class_of_ones_own_ends_with_how_to_tag_with_it(fit, capsys, monkeypatch, working_directory):
    monkeypatch.syspath_prepend(working_directory)
    Path("own_concatenation.py").write_text(
        "from mner.fusion import Concatenation\n\n\nclass Own(Concatenation):\n    pass\n", encoding="utf-8"
    )
    model = ["--model", "own_concatenation.Own", "--model.image_encoder", "mner.testing.TinyGrid"]
    assert fit(*model, "--data", "DemoPosts", "--data.size", "16", "--data.root", "demo") == 0
    command = capsys.readouterr().out.split("tag a post: ")[1]
    assert command.strip().endswith("best.ckpt --import own_concatenation")


def test_fit_of_a_model_that_looks_at_images_ends_with_how_to_tag_one(fit, capsys, monkeypatch):
    model = ["--model", "LateFusion", "--model.image_encoder", "mner.testing.TinyGrid"]
    assert fit(*model, "--data", "DemoPosts", "--data.size", "16", "--data.root", "demo") == 0
    words = shlex.split(capsys.readouterr().out.split("tag a post: ")[1])
    (echo, post, pipe), (program, *tag) = words[:3], words[3:]
    assert (echo, pipe, program) == ("echo", "|", "mner")
    Path("posts.txt").write_text(f"{post}\n", encoding="utf-8")
    with Path("posts.txt").open(encoding="utf-8") as posts:
        monkeypatch.setattr("sys.stdin", posts)
        assert main(tag) == 0
    assert json.loads(capsys.readouterr().out)["image"].endswith(".jpg")


@pytest.mark.parametrize(
    "fusion",
    [
        # The contract of all fusion modules checks their configs and checkpoints without the command line.
        name if name in ("LateFusion", "TransformerAttention") else pytest.param(name, marks=pytest.mark.slow)
        for name in mner.fusion.__all__
        if name not in ("Attention", "FusionModule")
    ],
)
def test_every_fusion_is_trained_saved_and_loaded(fusion, fit, tiny_text_encoder_folder, shared_twitter_folder):
    text_encoder = "VisualBertText" if fusion in ("TransformerAttention", "RelationGate") else "HuggingFaceText"
    options = ["--model", fusion, "--model.image_encoder", "mner.testing.TinyGrid"]
    options += ["--model.text_encoder", text_encoder, "--model.text_encoder.name", str(tiny_text_encoder_folder)]
    assert fit(*options) == 0
    model = mner.load_model("runs/0/best.ckpt")
    assert type(model).__name__ == fusion
    (record, *_) = read_predictions("runs/0/predictions.jsonl")
    image = shared_twitter_folder / "images" / record.post.image.name
    found, saved = mner.load("runs/0/best.ckpt").predict(record.post.words, image), record.entities
    assert [(each.type, each.start, each.end) for each in found] == [
        (each.type, each.start, each.end) for each in saved
    ]
    assert [each.confidence for each in found] == pytest.approx([each.confidence for each in saved], abs=1e-4)


def test_runs_are_numbered_and_never_overwritten(fit, working_directory, capsys):
    assert fit() == 0
    assert fit() == 0
    assert sorted(path.name for path in (working_directory / "runs").iterdir()) == ["0", "1"]
    assert same_weights("runs/0/best.ckpt", "runs/1/best.ckpt")
    assert fit("--run_folder", "runs/1") == 1
    assert "runs/1 has the checkpoints of a training" in capsys.readouterr().err
    assert fit("--run_folder", "elsewhere", "--seed_everything", "1") == 0
    assert not same_weights("runs/0/best.ckpt", "elsewhere/best.ckpt")


def test_the_saved_config_repeats_the_training(fit, working_directory):
    assert fit("--model.init_args.dropout", "0.2") == 0
    config = yaml.safe_load(Path("runs/0/config.yaml").read_text(encoding="utf-8"))
    assert config["model"]["init_args"]["dropout"] == 0.2
    assert "runs/0" not in Path("runs/0/config.yaml").read_text(encoding="utf-8")
    assert main(["fit", "--config", "runs/0/config.yaml"]) == 0
    assert same_weights("runs/0/best.ckpt", "runs/1/best.ckpt")


def test_test_needs_a_checkpoint_and_data_alone(trained_run, data, tmp_path, capsys):
    checkpoint = trained_run / "best.ckpt"
    assert main(["test", "--ckpt_path", str(checkpoint), *data, "--run_folder", "results"]) == 0
    assert Path("results/predictions.jsonl").read_bytes() == (trained_run / "predictions.jsonl").read_bytes()
    metrics, of_fit = (
        json.loads((folder / "metrics.json").read_text(encoding="utf-8")) for folder in (Path("results"), trained_run)
    )
    assert of_fit.pop("train_posts") == 20
    assert metrics == of_fit
    printed = capsys.readouterr().out
    assert f"model: TextOnly from {checkpoint}, labels O, B-PER" in printed
    assert printed.count("overall (micro)") == 1
    assert "Test metric" not in printed
    assert {path.name for path in tmp_path.rglob("*")} == {
        "results",
        "metrics.json",
        "predictions.jsonl",
        "classification_report.txt",
        "timing.json",
    }


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
@pytest.mark.parametrize("config", ["experiment", "config.yaml"])
def test_the_configs_of_the_training_may_be_given_too(command, config, experiment, trained_run, capsys):
    path = experiment if config == "experiment" else trained_run / config
    checkpoint = ["--ckpt_path", str(trained_run / "best.ckpt")]
    assert main([command, *checkpoint, "--config", str(path), "--run_folder", "results"]) == 0
    assert "the model of the configs is ignored: the checkpoint has its own" in capsys.readouterr().out
    predictions = read_predictions("results/predictions.jsonl")
    split = "valid" if command == "validate" else "test"
    assert [prediction.post.id for prediction in predictions] == [f"{split}_16_05_{index}" for index in range(5)]
    assert Path("results/metrics.json").exists() == (command != "predict")


def test_results_go_beside_the_checkpoint(trained_run, data, tmp_path):
    Path("moved").mkdir()
    Path("moved/best.ckpt").write_bytes((trained_run / "best.ckpt").read_bytes())
    assert main(["validate", "--ckpt_path", "moved/best.ckpt", *data]) == 0
    assert main(["test", "--ckpt_path", "moved/best.ckpt", *data]) == 0
    assert json.loads(Path("moved/validate/metrics.json").read_text(encoding="utf-8"))["split"] == "valid"
    assert json.loads(Path("moved/test/metrics.json").read_text(encoding="utf-8"))["split"] == "test"


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
    Path("scaled_fusion.py").write_text(USERS_CLASS, encoding="utf-8")
    assert fit("--model", "scaled_fusion.Scaled", "--model.factor", "0.5") == 0
    parameters = load_checkpoint("runs/0/best.ckpt")["hyper_parameters"]
    assert (parameters["_class_path"], parameters["factor"]) == ("scaled_fusion.Scaled", 0.5)
    assert main(["test", "--ckpt_path", "runs/0/best.ckpt", *data]) == 0
    Path("posts.txt").write_text("Kevin Durant is loud\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["tag", "posts.txt", "--ckpt_path", "runs/0/best.ckpt", "--accelerator", "cpu"]) == 0
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
    with Path("runs/0/metrics.csv").open(encoding="utf-8") as file:
        assert len([row for row in csv.DictReader(file) if row["val/f1"]]) == 2
    assert not Path("runs/0/last.ckpt").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--trainer.accumulate_grad_batches 0", "expected --trainer.accumulate_grad_batches of at least 1, got 0"),
        ("--trainer.check_val_every_n_epoch 0", "expected --trainer.check_val_every_n_epoch of at least 1, got 0"),
        ("--trainer.gradient_clip_val -1", "expected gradient_clip_val >= 0, where 0 disables clipping, got -1"),
        ("--trainer.max_epochs 0", "--trainer.max_epochs 0 leaves nothing to do for mner fit"),
        ("--trainer.limit_train_batches 0", "--trainer.limit_train_batches 0 leaves nothing to do"),
        ("--trainer.max_time 00:00:00:00", "the training ended before its first step; raise the limit"),
        ("--trainer.barebones true", "--trainer.barebones forbids the logs"),
        (
            "--trainer.val_check_interval 1000",
            "`val_check_interval` (1000) must be less than or equal to the number of",
        ),
        ("--trainer.strategy fast", "You selected an invalid strategy name: `strategy='fast'`"),
        ("--seed_everything -1", "expected --seed_everything from 0 to 4,294,967,295, got -1"),
        ("--seed_everything 99999999999", "expected --seed_everything from 0 to 4,294,967,295, got 99999999999"),
        ("--checkpoint.save_top_k -3", "Invalid value for save_top_k=-3. Must be >= -1"),
        ("--early_stopping.patience -1", "expected --early_stopping.patience of at least 0, got -1"),
        (
            '--trainer.callbacks [{"class_path":"EarlyStopping","init_args":{"monitor":"val/f1","mode":"up"}}]',
            "`mode` can be min, max, got up",
        ),
    ],
)
def test_an_option_that_lightning_refuses_or_ignores_is_one_line(fit, capsys, options, complaint):
    assert fit(*options.split()) == 1
    error = capsys.readouterr().err
    assert f"mner fit: error: {complaint}" in error
    assert "Traceback" not in error
    assert not any(Path("runs").glob("*"))


def test_a_callback_whose_default_is_an_enumeration(fit):
    assert fit("--trainer.callbacks", '[{"class_path": "Timer", "init_args": {"duration": "00:01:00:00"}}]') == 0
    (timer,) = yaml.safe_load(Path("runs/0/config.yaml").read_text(encoding="utf-8"))["trainer"]["callbacks"]
    assert timer["init_args"]["interval"] == "step"


@pytest.mark.parametrize("options", [["--trainer.limit_val_batches", "0"], ["--trainer.max_steps", "3"]], ids=str)
def test_a_training_without_validation_says_so(fit, capsys, options):
    assert fit(*options) == 0
    assert "nothing was validated" in capsys.readouterr().out
    assert load_checkpoint("runs/0/last.ckpt")["global_step"] == (3 if "3" in options else 5)


@pytest.mark.parametrize("switch", ["null", "false", "{patience: null}"])
def test_early_stopping_is_switched_off(fit, switch):
    assert fit("--early_stopping", switch) == 0
    assert Path("runs/0/metrics.json").exists()


def test_without_checkpoints_the_last_weights_are_scored(fit, capsys):
    assert fit("--trainer.enable_checkpointing", "false") == 0
    assert "scoring the weights after the last step" in capsys.readouterr().out
    assert json.loads(Path("runs/0/metrics.json").read_text(encoding="utf-8"))["posts"] == 5
    assert not list(Path("runs/0").glob("*.ckpt"))
    assert "(best)" not in Path("runs/0/train.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("kept", ["3", "-1"])
def test_the_best_of_several_checkpoints_is_best(fit, kept):
    """Learning so fast that the scores go up and down; best.ckpt has those of the best epoch (case 102)."""
    options = ["--trainer.max_epochs", "5", "--checkpoint.save_top_k", kept, "--model.optimization.lr", "0.05"]
    assert fit(*options) == 0
    with Path("runs/0/metrics.csv").open(encoding="utf-8") as file:
        scores = [float(row["val/f1"]) for row in csv.DictReader(file) if row["val/f1"]]
    assert len(set(scores)) > 1
    files = sorted(Path("runs/0").glob("epoch=*.ckpt"))
    assert len(files) == (3 if kept == "3" else 5)
    best = load_checkpoint("runs/0/best.ckpt")
    assert scores[best["epoch"]] == max(scores)
    assert mner.load_model("runs/0/best.ckpt")


def test_the_lowest_loss_is_kept_if_it_is_monitored(fit):
    options = ["--trainer.max_epochs", "4", "--checkpoint.monitor", "val/loss", "--model.optimization.lr", "0.05"]
    assert fit(*options) == 0
    with Path("runs/0/metrics.csv").open(encoding="utf-8") as file:
        losses = [float(row["val/loss"]) for row in csv.DictReader(file) if row["val/loss"]]
    best = load_checkpoint("runs/0/best.ckpt")["epoch"]
    assert losses[best] == min(losses)
    lines = Path("runs/0/train.log").read_text(encoding="utf-8").splitlines()[1:]
    improved = [loss < min(losses[:epoch], default=math.inf) for epoch, loss in enumerate(losses)]
    assert ["(best)" in line for line in lines] == improved


@pytest.mark.parametrize(
    "options",
    [
        ["--checkpoint.monitor", "val/typo"],
        ["--checkpoint.monitor", "val/typo", "--early_stopping", "null"],
        ["--early_stopping.monitor", "val/typo"],
    ],
)
def test_a_metric_that_nothing_logs(fit, capsys, options):
    assert fit(*options) == 1
    assert "the monitored metric 'val/typo' is not logged; choose one of " in capsys.readouterr().err


def test_a_checkpoint_callback_of_the_users_changes_nothing(fit, capsys):
    callback = {"class_path": "ModelCheckpoint", "init_args": {"dirpath": "mine", "monitor": "val/loss"}}
    assert fit() == 0
    assert fit("--trainer.callbacks", json.dumps([callback])) == 0
    assert len(list(Path("mine").glob("*.ckpt"))) == 1
    assert f"checkpoint: {Path.cwd() / 'runs/1/best.ckpt'}" in capsys.readouterr().out
    assert same_weights("runs/0/best.ckpt", "runs/1/best.ckpt")


class NeedsPackage(CSVLogger):
    """Stands in for a logger such as MLflow's without MLflow."""

    def __init__(self):
        raise ModuleNotFoundError("Requirement 'mlflow>=1' not met. HINT: Try running `pip install mlflow`")


def test_a_class_whose_package_is_not_installed_is_one_line(fit, capsys):
    for loggers in (f"{__name__}.NeedsPackage", json.dumps([{"class_path": f"{__name__}.NeedsPackage"}])):
        assert fit("--trainer.logger", loggers) == 1
        error = capsys.readouterr().err
        assert "fit: error: a class of the config needs a package that is not installed: Requirement 'mlflow" in error
        assert "Traceback" not in error


class RefusesItsFolder(CSVLogger):
    """Stands in for a logger such as MLflow's, which since its version 3.17 refuses folders."""

    def __init__(self):
        raise RuntimeError("folders are no longer supported.\nUse a database")


def test_what_the_constructor_of_a_logger_says_is_shown(fit, capsys):
    for loggers in (f"{__name__}.RefusesItsFolder", json.dumps([{"class_path": f"{__name__}.RefusesItsFolder"}])):
        assert fit("--trainer.logger", loggers) == 1
        assert capsys.readouterr().err.endswith("error: folders are no longer supported.; Use a database\n")


def test_no_checkpoint_is_named_that_does_not_exist(fit, capsys):
    assert fit("--checkpoint.save_last", "false", "--run_folder", "run") == 0
    assert fit("--run_folder", "run") == 1
    assert "training; give another --run_folder\n" in capsys.readouterr().err


def snapshot(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--run_folder", "run"], "run has the checkpoints of a training; give another --run_folder, or resume it"),
        (["--ckpt_path", "run/best.ckpt"], "run/best.ckpt has the weights only"),
        (["--ckpt_path", "run/last.ckpt", "--trainer.max_epochs", "1"], "give --trainer.max_epochs of at least 5"),
        (["--ckpt_path", "run/last.ckpt", "--model.characters", "null"], "weights of the checkpoint do not fit"),
        (["--ckpt_path", "run/last.ckpt", "--model.optimization.optimizer", "SGD"], "resume with AdamW"),
        (["--ckpt_path", "run/last.ckpt", "--data.contexts", "[ocr]"], "no ocr for the train posts"),
        (["--resume", "auto"], "give --run_folder"),
        (["--resume", "auto", "--ckpt_path", "run/last.ckpt", "--run_folder", "run"], "give one of them"),
        (
            ["--ckpt_path", "run/last.ckpt", "--run_folder", "other", "--pretraining", "masked_language"],
            "--pretraining does nothing for a training that is resumed from run/last.ckpt",
        ),
    ],
    ids=str,
)
def test_a_refused_start_changes_nothing(fit, trained_run, capsys, options, complaint):
    shutil.copytree(trained_run, "run")
    before = snapshot("run")
    assert fit("--trainer.max_epochs", "9", *options) == 1
    assert complaint in capsys.readouterr().err
    assert snapshot("run") == before
    assert not Path("runs").exists()


def test_the_same_command_starts_and_resumes(fit):
    command = ["--run_folder", "run", "--resume", "auto", "--trainer.max_epochs"]
    assert fit(*command, "1") == 0
    assert fit(*command, "2") == 0
    assert load_checkpoint("run/last.ckpt")["global_step"] == 10
    assert Path("run/metrics.part_1.csv").exists()
    assert fit("--ckpt_path", "last", "--run_folder", "run", "--trainer.max_epochs", "3") == 0
    Path("run/last.ckpt").rename("run/hpc_ckpt_1.ckpt")
    assert fit("--ckpt_path", "hpc", "--run_folder", "run", "--trainer.max_epochs", "4") == 0
    assert load_checkpoint("run/last.ckpt")["global_step"] == 20


def test_words_for_checkpoints_to_score(fit, data, capsys):
    assert main(["test", "--ckpt_path", "best", *data]) == 1
    assert "--ckpt_path best refers to a run folder" in capsys.readouterr().err
    assert fit() == 0
    assert main(["test", "--ckpt_path", "best", *data]) == 0
    assert main(["validate", "--ckpt_path", "last", "--run_folder", "runs/0", *data]) == 0
    for command in ("test", "validate"):
        assert Path(f"runs/0/{command}/metrics.json").exists()


def test_decoding_and_images_are_chosen_anew_at_scoring(fit, data, monkeypatch):
    found = []

    @functools.wraps(Trainer.test)
    def score(trainer, model, **kwargs):
        found.append((model.decoder.constraints, model.image_loader.on_bad_image, kwargs["datamodule"].batch_size))

    assert fit() == 0
    monkeypatch.setattr("pytorch_lightning.Trainer.test", score)
    assert main(["test", "--ckpt_path", "best", *data]) == 0
    options = ["--constraints", "decode", "--on_bad_image", "error", "--data.batch_size", "3"]
    assert main(["test", "--ckpt_path", "best", *data, *options]) == 0
    assert found == [("none", "mask", 32), ("decode", "error", 3)]


def test_one_folder_trains_once_at_a_time(fit, capsys):
    Path("run").mkdir()
    with FileLock("run/.lock"):
        assert fit("--run_folder", "run") == 1
    assert "another training is running in run; wait for its end" in capsys.readouterr().err
    assert fit("--run_folder", "run") == 0


def test_numbers_of_runs_are_taken_once(monkeypatch):
    """Another process takes the next number between the look and the choice."""
    Path("runs/3").mkdir(parents=True)
    create = Path.mkdir

    def slowly(self, *arguments, **options):
        if self.name == "4":
            create(self)
        create(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", slowly)
    folder = RunFolder(None, None, "fit")
    assert folder.path == Path("runs/5")
    folder.release()
    assert not folder.path.exists()


LOGGER = '''
from pytorch_lightning.loggers.logger import Logger

class Remote(Logger):
    """A logger with neither a folder nor files, such as those of services."""

    logged = []

    def __init__(self, project: str = "mner"):
        super().__init__()

    name = version = save_dir = None

    def log_metrics(self, metrics, step=None):
        pass

    def log_hyperparams(self, params, *args, **kwargs):
        self.logged.append(params)
'''


def test_any_loggers(fit, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("remote_logger.py").write_text(LOGGER, encoding="utf-8")
    loggers = [{"class_path": "remote_logger.Remote"}, {"class_path": "CSVLogger", "init_args": {"save_dir": "logs"}}]
    assert fit("--trainer.logger", json.dumps(loggers), "--model.optimization.lr", "0.003") == 0
    (parameters,) = sys.modules.pop("remote_logger").Remote.logged
    assert parameters["model"]["init_args"]["optimization"]["lr"] == 0.003
    assert Path("runs/0/config.yaml").exists()
    assert list(Path("logs").rglob("metrics.csv"))


def test_a_training_that_diverges_fails(fit, capsys):
    assert fit("--model.optimization.lr", "1e30", "--trainer.max_epochs", "2") == 1
    said = capsys.readouterr().err
    assert "training diverged: " in said
    assert "at step 2; no checkpoint was saved before" in said
    assert not list(Path("runs").rglob("*.ckpt"))


FAULTY_CLASS = '''
from mner.fusion import TextOnly

class Faulty(TextOnly):
    """Has a fault of its own."""

    def training_step(self, batch, batch_idx):
        return {}["no such key"]
'''


def test_an_unexpected_error_keeps_its_traceback(fit, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("faulty.py").write_text(FAULTY_CLASS, encoding="utf-8")
    assert fit("--model", "faulty.Faulty") == 1
    said = capsys.readouterr().err
    assert 'return {}["no such key"]' in said
    assert said.strip().endswith("mner fit: error: KeyError: 'no such key'")
    assert 'return {}["no such key"]' in Path("runs/0/traceback.txt").read_text(encoding="utf-8")
    del sys.modules["faulty"]


def test_a_data_set_without_a_test_split_is_scored_on_validation(fit, shared_twitter_folder, trained_run, capsys):
    Path("data").mkdir()
    for split in ("train", "valid"):
        Path(f"data/{split}.txt").write_bytes((shared_twitter_folder / f"{split}.txt").read_bytes())
    assert fit("--data.init_args.root", "data", "--model.init_args.optimization.ema_decay", "0.9") == 0
    assert "no test split: scoring the validation split" in capsys.readouterr().out
    best = json.loads(Path("runs/0/metrics.json").read_text(encoding="utf-8"))["f1"]
    assert main(["validate", "--ckpt_path", "runs/0/best.ckpt", "--data", "Twitter2017", "--data.root", "data"]) == 0
    assert json.loads(Path("runs/0/metrics.json").read_text(encoding="utf-8"))["f1"] == best
    data = ["--data", "Twitter2017", "--data.root", "data"]
    assert main(["test", "--ckpt_path", str(trained_run / "best.ckpt"), *data, "--run_folder", "x"]) == 1
    assert "data has no test split; looked for test.txt" in capsys.readouterr().err


FAILING_CLASS = '''
import os, signal
from mner.fusion import TextOnly

class Failing(TextOnly):
    """Fails in its seventh step, has Ctrl-C pressed or is told to stop, where a file says so."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if self.global_step == 6 and os.path.exists("fail"):
            raise MemoryError("out of memory")
        if self.global_step == 6 and os.path.exists("press"):
            signal.raise_signal(signal.SIGINT)
        if self.global_step == 6 and os.path.exists("stop"):
            signal.raise_signal(signal.SIGTERM)
        return loss
'''


@pytest.mark.parametrize(("cause", "status"), [("fail", 1), ("press", 130), ("stop", 130)])
def test_an_interrupted_training_goes_on_where_it_stood(fit, monkeypatch, capsys, cause, status):
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("failing.py").write_text(FAILING_CLASS, encoding="utf-8")
    model = ["--model", "failing.Failing", "--trainer.max_epochs", "2", "--model.optimization.ema_decay", "0.9"]
    assert fit(*model, "--run_folder", "whole") == 0
    Path(cause).touch()
    try:
        assert fit(*model, "--run_folder", "parts") == status
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    said = "interrupted; to resume, repeat the command with --ckpt_path parts/interrupted.ckpt"
    assert said in capsys.readouterr().out
    Path(cause).unlink()
    assert fit(*model, "--ckpt_path", "parts/interrupted.ckpt") == 0
    assert same_weights("whole/last.ckpt", "parts/last.ckpt")
    assert same_weights("whole/best.ckpt", "parts/best.ckpt")
    for name in ("metrics.json", "predictions.jsonl"):
        assert Path("whole", name).read_bytes() == Path("parts", name).read_bytes()
    assert not Path("parts/interrupted.ckpt").exists()
    assert Path("parts/metrics.part_1.csv").exists()
    assert not Path("runs").exists()
    del sys.modules["failing"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["test", "predict"])
def test_an_interrupted_scoring_is_no_success(trained_run, data, monkeypatch, command, sent):
    monkeypatch.setattr(mner.fusion.TextOnly, f"on_{command}_batch_start", lambda *_: signal.raise_signal(sent))
    options = [*data, "--data.batch_size", "2", "--run_folder", "scored"]
    try:
        assert main([command, "--ckpt_path", str(trained_run / "best.ckpt"), *options]) == 130
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert not Path("scored/predictions.jsonl").exists()


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


def test_a_checkpoint_is_scored_on_data_with_other_types(trained_run, shared_twitter_folder, tmp_path, capsys):
    """MISC is called OTHER in Twitter-2015: the scores are those on the same posts with the model's types."""
    folder = tmp_path / "twitter2015"
    folder.mkdir()
    text = (shared_twitter_folder / "test.txt").read_text(encoding="utf-8")
    (folder / "test.txt").write_text(text.replace("-MISC", "-OTHER"), encoding="utf-8")
    checkpoint = ["--ckpt_path", str(trained_run / "best.ckpt"), "--data", "Twitter2015", "--data.root", str(folder)]
    assert main(["test", *checkpoint, "--run_folder", str(tmp_path / "refused")]) == 1
    assert "entities of type OTHER, which the model does not predict" in capsys.readouterr().err
    out = tmp_path / "mapped"
    assert main(["test", *checkpoint, "--label_map", "{OTHER: MISC}", "--run_folder", str(out)]) == 0
    mapped = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    trained = json.loads((trained_run / "metrics.json").read_text(encoding="utf-8"))
    assert mapped["label_map"] == {"OTHER": "MISC"}
    assert {name: mapped[name] for name in trained if name.startswith(("f1", "support"))} == {
        name: value for name, value in trained.items() if name.startswith(("f1", "support"))
    }
    dropped = tmp_path / "dropped"
    assert main(["test", *checkpoint, "--label_map.OTHER", "null", "--run_folder", str(dropped)]) == 0
    metrics = json.loads((dropped / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["support"] == trained["support"] - trained["support_MISC"]


def test_posts_of_a_test_set_are_not_trained_on(fit, shared_twitter_folder, tmp_path, capsys):
    held_out = ["--held_out", f"[{shared_twitter_folder / 'train.txt'}]"]
    assert fit(*held_out, "--run_folder", "refused") == 1
    assert (
        "20 of 20 training posts are held out for testing: 20 posts (20 with the same text" in capsys.readouterr().err
    )
    assert fit(*held_out, "--on_overlap", "keep", "--run_folder", "kept") == 0
    (tmp_path / "test.jsonl").write_text('{"tokens": ["nobody", "wrote", "this"]}\n', encoding="utf-8")
    assert fit("--held_out", f"[{tmp_path / 'test.jsonl'}]", "--run_folder", "free") == 0

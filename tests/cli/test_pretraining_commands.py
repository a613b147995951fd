"""``mner fit`` pre-trains, and with ``--pretraining`` fine-tunes what it pre-trained."""

import json
import subprocess
import sys

import pytest
import torch
import yaml

from mner.cli import main
from mner.fusion import TextOnly, TransformerAttention
from mner.pretraining import MaskedLanguageModel
from mner.text import HuggingFaceText, VisualBertText

QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


@pytest.fixture(scope="module")
def config(tmp_path_factory, tiny_text_encoder_folder):
    """The config of a pre-training that names no data."""
    encoder = {"class_path": "HuggingFaceText", "init_args": {"name": str(tiny_text_encoder_folder)}}
    model = {
        "class_path": "MaskedLanguageModel",
        "init_args": {"text_encoder": encoder, "optimization": {"lr": 1e-3}, "mask_rate": 0.4},
    }
    path = tmp_path_factory.mktemp("pretraining") / "masked_language.yaml"
    path.write_text(yaml.safe_dump({"model": model, "trainer": {"max_epochs": 2, **QUIET}}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(config, tmp_path_factory, shared_twitter_folder):
    """The run folder of that pre-training, and what was printed is left aside."""
    folder = tmp_path_factory.mktemp("runs") / "pretrained"
    data = ["--data", "Twitter2017", "--data.init_args.root", str(shared_twitter_folder)]
    assert main(["fit", "--config", str(config), *data, "--run_folder", str(folder)]) == 0
    return folder


def test_a_pre_training_leaves_the_encoder_of_the_best_epoch(run):
    assert {"best.ckpt", "last.ckpt", "config.yaml", "metrics.csv", "encoder"} <= {path.name for path in run.iterdir()}
    assert not {"predictions.jsonl", "metrics.json"} & {path.name for path in run.iterdir()}
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    (kept,) = (each for name, each in checkpoint["callbacks"].items() if name.startswith("BestCheckpoint"))
    assert kept["monitor"] == "val/perplexity"
    best = MaskedLanguageModel.load_from_checkpoint(run / "best.ckpt").text_encoder
    encoder = HuggingFaceText(str(run / "encoder"))
    for name, weight in best.state_dict().items():
        assert torch.equal(weight, encoder.state_dict()[name]), name


def test_it_says_where_the_encoder_is(config, shared_twitter_folder, tmp_path, capsys):
    data = ["--data", "Twitter2017", "--data.init_args.root", str(shared_twitter_folder)]
    command = ["fit", "--config", str(config), *data, "--run_folder", str(tmp_path), "--trainer.max_epochs", "1"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "encoder with the best val/perplexity" in said
    assert f"--model.init_args.text_encoder.init_args.name {tmp_path / 'encoder'}" in said


def test_it_is_validated_and_holds_no_entities(run, shared_twitter_folder, capsys):
    data = ["--data", "Twitter2017", "--data.init_args.root", str(shared_twitter_folder)]
    quiet = ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
    assert main(["validate", "--ckpt_path", str(run / "best.ckpt"), *data, *quiet]) == 0
    assert "val/perplexity: " in capsys.readouterr().out
    for command in ("test", "predict"):
        assert main([command, "--ckpt_path", str(run / "best.ckpt"), *data, *quiet]) == 1
        assert "is a pre-training checkpoint, which predicts no entities" in capsys.readouterr().err


@pytest.mark.slow
def test_pre_training_and_fine_tuning_in_a_row(config, experiment, tmp_path, capfd):
    command = ["fit", "--config", str(experiment), "--trainer.max_epochs", "1", "--pretraining", str(config)]
    assert main([*command, "--run_folder", str(tmp_path / "run")]) == 0
    encoder = tmp_path / "run" / "pretraining" / "encoder"
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text(encoding="utf-8"))
    assert json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))["train_posts"] == 20
    assert saved["model"]["init_args"]["text_encoder"]["init_args"]["name"] == str(encoder)
    assert "pretraining" not in saved
    assert json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))["f1"] >= 0
    model = TextOnly.load_from_checkpoint(tmp_path / "run" / "best.ckpt")
    assert model.text_encoder.architecture["config"]["vocab_size"] > 0
    inner = yaml.safe_load((tmp_path / "run" / "pretraining" / "config.yaml").read_text(encoding="utf-8"))
    assert inner["data"]["class_path"].endswith("Twitter2017")  # the fine-tuning's
    assert inner["model"]["init_args"]["mask_rate"] == 0.4
    assert inner["trainer"]["max_epochs"] == 2
    capfd.readouterr()
    (tmp_path / "again").mkdir()
    (tmp_path / "run" / "pretraining").rename(tmp_path / "again" / "pretraining")
    assert main([*command, "--run_folder", str(tmp_path / "again")]) == 0
    assert f"{tmp_path / 'again' / 'pretraining' / 'encoder'} exists already" in capfd.readouterr().out


def test_a_trial_tries_the_pre_training_too(config, experiment, tmp_path, capfd):
    command = ["fit", "--config", str(experiment), "--pretraining", str(config), "--trainer.fast_dev_run", "true"]
    assert main([*command, "--run_folder", str(tmp_path / "run")]) == 0
    said = capfd.readouterr()
    assert (said.out + said.err).index("MaskedLanguageModel: ") < (said.out + said.err).index("TextOnly: ")
    assert not (tmp_path / "run").exists()


def test_a_pre_training_that_is_not_there(experiment, tmp_path, capsys):
    command = ["fit", "--config", str(experiment), "--pretraining", "none.yaml", "--run_folder", str(tmp_path)]
    assert main(command) == 1
    assert "no config 'none.yaml'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_visualbert_in_a_row(tiny_text_encoder_folder, shared_twitter_folder, tmp_path):
    encoder = {"class_path": "VisualBertText", "init_args": {"name": str(tiny_text_encoder_folder)}}
    data = {"class_path": "Twitter2017", "init_args": {"root": str(shared_twitter_folder), "contexts": ["caption"]}}
    configs = {
        "VisualLanguageModel": {"text_encoder": encoder, "image_encoder": "resnet152", "optimization": {"lr": 1e-2}},
        "TransformerAttention": {
            "text_encoder": encoder,
            "image_encoder": "mner.testing.TinyGrid",
            "optimization": {"lr": 0.0},
        },
    }
    for name, arguments in configs.items():
        config = {"model": {"class_path": name, "init_args": arguments}, "trainer": {"max_epochs": 1, **QUIET}}
        if name == "TransformerAttention":
            config["data"] = data
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = ["--config", str(tmp_path / "TransformerAttention.yaml"), "--run_folder", str(tmp_path / "run")]
    assert main(["fit", *command, "--pretraining", str(tmp_path / "VisualLanguageModel.yaml")]) == 0
    encoder = VisualBertText(str(tmp_path / "run" / "pretraining" / "encoder"))
    tuned = TransformerAttention.load_from_checkpoint(tmp_path / "run" / "best.ckpt").text_encoder
    for name, weight in encoder.state_dict().items():  # the projection of regions among them
        assert torch.equal(weight, tuned.state_dict()[name]), name


@pytest.mark.slow
def test_several_processes_pre_train_and_fine_tune_together(config, experiment, tmp_path):
    """As torchrun starts them: each runs the whole command, and both trainings."""
    command = ["fit", "--config", str(experiment), "--trainer.max_epochs", "1", "--pretraining", str(config)]
    command += ["--trainer.devices", "2", "--run_folder", str(tmp_path / "run")]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    subprocess.run([*torchrun, "-m", "mner", *command], check=True, cwd=tmp_path)
    assert (tmp_path / "run" / "pretraining" / "encoder" / "config.json").exists()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))["posts"] == 5
    assert not (tmp_path / "runs").exists()

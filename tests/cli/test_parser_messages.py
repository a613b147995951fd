"""The parser's messages in one line: those of the parser itself, for options that it refuses."""

import pytest

from mner.cli.parser_messages import shortened
from mner.cli.training import TrainingCommandLine
from mner.errors import ConfigurationError, UsageError


@pytest.mark.filterwarnings("ignore:LightningCLI's args parameter")
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--data.init_args.contexts", "caption"], "--data.contexts: expected a list such as [caption], got 'caption'"),
        (["--data.context_files", "a.jsonl"], "--data.context_files: expected a mapping, got 'a.jsonl'"),
        (["--data.batch_size", "big"], "--data.batch_size: expected int, got 'big'"),
        (["--trainer.limit_val_batches", "half"], "--trainer.limit_val_batches: expected float or int, got 'half'"),
        (["--early_stopping.mode", "up"], "--early_stopping.mode: expected min or max, got 'up'"),
        (["--model.optimization.lr", "fast"], "--model.optimization.lr: expected float, got 'fast'"),
        (
            ["--model.optimization.optimizer.momentum", "1"],
            "--model.optimization.optimizer: expected str, which has no ",
        ),
        (["--ablations", "blank"], "--ablations: expected a list such as [blank], got 'blank'"),
        (
            ["--model.init_args.decoder", "CRRF"],
            "--model.decoder: no class is called 'CRRF'; did you mean CRF? A class",
        ),
        (
            ["--model.init_args.decoder", "TextOnly"],
            "--model.decoder: TextOnly is a class of another kind; --help lists",
        ),
        (["--model.align_views", "5"], "--model.align_views: expected the name or the arguments of a class, got '5'"),
        (["--trainer.logger", "W&B"], "--trainer.logger: "),
        (["--trainer.precision", "foo"], "--trainer.precision: expected one of 64, 32, 16, bf16, transformer-engine, "),
        (
            [
                "--trainer.callbacks",
                '[{"class_path": "LearningRateMonitor", "init_args": {"logging_interval": "day"}}]',
            ],
            "--trainer.callbacks.logging_interval: expected step or epoch, got 'day'",
        ),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_a_wrong_value_is_one_line(experiment, options, complaint):
    with pytest.raises(UsageError) as caught:
        TrainingCommandLine(["fit", "--config", str(experiment), *options])
    (line,) = str(caught.value).splitlines()
    assert line.startswith(complaint)


@pytest.mark.filterwarnings("ignore:LightningCLI's args parameter")
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--trainer.num_nodes", "2"], "--trainer.num_nodes 2 needs a launcher on every node"),
        (["--trainer.devices", "4096"], "--trainer.devices 4096: on the CPU these are processes, at most"),
        (["--trainer.val_check_interval", "0"], "expected --trainer.val_check_interval above 0, got 0"),
        (["--trainer.strategy", "ddp_spawn"], "--trainer.strategy ddp_spawn trains in processes that do not report"),
        (["--trainer.strategy", "nonsense"], "You selected an invalid strategy name: `strategy='nonsense'`. "),
        (["--trainer.precision", "transformer-engine"], "Requirement 'transformer_engine"),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_an_option_that_the_machine_cannot_follow_is_one_short_line(
    experiment, tmp_path, monkeypatch, options, complaint
):
    for variable in ("MASTER_ADDR", "SLURM_NTASKS", "TORCHELASTIC_RUN_ID", "LSB_JOBID"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ConfigurationError) as caught:
        TrainingCommandLine(["fit", "--config", str(experiment), "--run_folder", str(tmp_path / "run"), *options])
    assert str(caught.value).startswith(complaint)
    assert len(str(caught.value)) < 230
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_message_of_one_line_is_unchanged():
    assert shortened("Option 'size' is not accepted") == "Option 'size' is not accepted"

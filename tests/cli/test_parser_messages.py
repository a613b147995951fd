"""The parser's messages in one line: those of the parser itself, for options that it refuses."""

import pytest

from mner.cli.parser_messages import shortened
from mner.cli.training import TrainingCommandLine
from mner.errors import UsageError


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
        (["--ablations", "blank"], "--ablations: expected a list such as [blank], got 'blank'"),
        (
            ["--model.init_args.decoder", "CRRF"],
            "--model.decoder: no class is called 'CRRF'; did you mean CRF? A class",
        ),
        (["--model.align_views", "5"], "--model.align_views: expected the name or the arguments of a class, got '5'"),
        (["--trainer.logger", "W&B"], "--trainer.logger: "),
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


def test_a_message_of_one_line_is_unchanged():
    assert shortened("Option 'size' is not accepted") == "Option 'size' is not accepted"

"""The help texts of the package against the parsers that they describe."""

import re
import sys

import pytest
from pytorch_lightning import __version__ as lightning

from mner.cli.option import options_in
from mner.cli.static_help import (
    DESCRIBED,
    LIGHTNING,
    class_help,
    described_classes,
    help_text,
    parser_class_help,
    parser_help,
)
from mner.cli.usage import usage_error

PYTHON = (3, 11)
"""The Python whose argparse laid out the texts."""


def mners_own(text):
    """The names of all options but those of Lightning's Trainer."""
    return set(re.findall(r"--(?!trainer\.)[\w.-]+", text))


def settled(text):
    """The words of a text, without the classes that happen to be imported, in any order, as Unions have none."""
    return sorted(re.findall(r"[\w.-]+", re.sub(r"known subclasses: [\w., ]*", "", " ".join(text.split()))))


@pytest.mark.parametrize("command", DESCRIBED)
def test_a_help_describes_its_command_in_whole_sentences(command):
    description = help_text(command).split("\n\n")[1]
    assert description[0].isupper()
    assert description.endswith(".")


@pytest.mark.parametrize("command", DESCRIBED)
def test_a_help_describes_its_options_in_whole_sentences(command):
    for name, option in options_in(help_text(command)).items():
        sentences = re.sub(r" \((?:required, )?(?:type: |default: False).*", "", option.description)
        if sentences and not name.startswith(("--trainer.", "--checkpoint.")):  # which Lightning describes
            assert not sentences[0].islower(), name
            assert sentences.endswith("."), name


@pytest.mark.parametrize("command", DESCRIBED)
def test_a_text_is_the_help_of_its_parser(command):
    """After a change of options: python -m mner.cli.static_help."""
    text = parser_help(command)
    if (sys.version_info[:2], lightning) == (PYTHON, LIGHTNING):
        assert settled(help_text(command)) == settled(text)
    assert mners_own(help_text(command)) == mners_own(text)


def test_a_text_is_the_help_of_its_class():
    """After a new class or argument: python -m mner.cli.static_help."""
    texts = {path: parser_class_help(path) for path in described_classes()}
    if sys.version_info[:2] == PYTHON:
        for path, text in texts.items():
            assert settled(class_help(path, "OPTION")) == settled(text)
    for text in (*texts.values(), parser_help("fit"), parser_help("check-data")):
        for choices in re.findall(r"known subclasses: ([\w., ]*)", " ".join(text.split())):
            others = r"mner\.(?!callbacks|cli|exporting|testing)"
            parts = {path for path in choices.split(", ") if re.match(others, path)}
            assert parts <= described_classes()


@pytest.mark.parametrize(
    "options",
    [
        "--data DemoPosts --data.size 8 --model TextOnly --model.init_args.decoder.init_args.constraints decode",
        "--data a.Demo --model a.M --trainer.callbacks+=LearningRateMonitor --trainer.callbacks.log_momentum true",
        "--data=a.Demo --model=a.M --ablations+=blank_images --early_stopping.patience 3 --trainer.max_epochs -1",
        "--config demo --config 1.0_bert_crf --trainer.max_epochs null",
        "--config demo --config {model:{class_path:TextOnly}}",
        "--data.help DemoPosts",
        "--print_config",
    ],
)
def test_what_only_the_parser_can_judge_is_left_to_it(options):
    assert usage_error("fit", options.split()) is None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        pytest.param(
            "--trainer.callback x",
            "no option --trainer.callback; did you mean --trainer.callbacks",
            marks=pytest.mark.skipif(lightning != LIGHTNING, reason="only the parser knows this Lightning's options"),
        ),
        ("--data DemoPosts", "required: --model"),
        ("--config 1.0_bert_crf", "required: --data"),
        ("--config offline", None),
        ("--trainer.max_steps many", "--trainer.max_steps: expected int, got 'many'"),
    ],
)
def test_what_is_found_without_the_parser(options, complaint):
    found = usage_error("fit", options.split())
    assert complaint is None if found is None else complaint in found


def test_a_trainer_of_another_lightning_may_have_other_options(monkeypatch):
    monkeypatch.setattr("mner.cli.usage.version", lambda package: "2.9")
    assert usage_error("fit", ["--trainer.new", "1", "--data", "a.Demo", "--model", "a.M"]) is None
    assert "no option --new" in usage_error("fit", ["--new", "1", "--data", "a.Demo", "--model", "a.M"])

"""Commands never write over what they read, and say so before they start."""

import pytest

from mner.cli.inputs import inputs_protected
from mner.errors import OutputError
from mner.files import atomic_write


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jsonl", "b.jsonl", "c.yaml", "best.ckpt"):
        (tmp_path / name).write_text("content", encoding="utf-8")
    (tmp_path / "model").mkdir()
    (tmp_path / "link").symlink_to("a.jsonl")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "tag a.jsonl --ckpt_path best.ckpt --output a.jsonl", "tag a.jsonl --ckpt_path=best.ckpt --output=./best.ckpt",
        "tag a.jsonl --ckpt_path model best.ckpt --output best.ckpt",
        "tag --ckpt_path model best.ckpt a.jsonl --output link",
        "tag a.jsonl --ckpt_path best.ckpt --output link", "show a.jsonl --output a.jsonl",
        "review a.jsonl --writer c.yaml --output a.jsonl", "describe --posts a.jsonl --writer c.yaml --output c.yaml",
        "prompt --posts a.jsonl --writer c.yaml --examples b.jsonl --output b.jsonl",
        "report x=a.jsonl --train b.jsonl --output a.jsonl", "report x=a.jsonl --train b.jsonl --output b.jsonl",
        "caption --images model --captioner best.ckpt --output best.ckpt", "split a.jsonl --output a.jsonl",
        "calibrate a.jsonl --ckpt_path model --output model",
        "fit --data PostFiles --data.train a.jsonl --run_folder a.jsonl",
    ],
)  # fmt: skip
def test_the_output_is_not_an_input(command):
    name, *arguments = command.split()
    with pytest.raises(OutputError, match="this command reads it"), inputs_protected(name, arguments):
        raise AssertionError


@pytest.mark.parametrize(
    "command",
    [
        "split a.jsonl --output b.jsonl", "attend a.jsonl --ckpt_path best.ckpt --output b.jsonl/new",
        "calibrate a.jsonl --ckpt_path model --output /dev/null", "export --ckpt_path model --output link",
        "caption --images model --output b.jsonl/new", "describe --posts a.jsonl --writer c.yaml --output model",
        "show a.jsonl --output link",
    ],
)  # fmt: skip
def test_an_output_that_cannot_be_written(command):
    name, *arguments = command.split()
    with pytest.raises(OutputError, match="give another path"), inputs_protected(name, arguments):
        raise AssertionError


def test_the_working_directory_may_be_the_output(folder):
    with inputs_protected("split", ["a.jsonl", "--output", "."]), atomic_write("train.jsonl") as file:
        file.write("new")


def test_what_a_command_derives_from_its_output_is_no_input_either(folder):
    with inputs_protected("review", ["a.jsonl", "--writer", "c.yaml", "--output", "out.jsonl"]):
        with atomic_write("out.jsonl") as file:
            file.write("new")
        with pytest.raises(OutputError), atomic_write("c.yaml"):
            pass
    assert (folder / "c.yaml").read_text(encoding="utf-8") == "content"


def test_a_resumed_training_replaces_its_checkpoint(folder):
    arguments = ["--ckpt_path", "best.ckpt", "--run_folder", ".", "--data", "PostFiles", "--data.train", "a.jsonl"]
    with inputs_protected("fit", arguments), atomic_write("best.ckpt") as file:
        file.write("next")
    assert (folder / "best.ckpt").read_text(encoding="utf-8") == "next"

"""Commands never write over what they read, and say so before they start."""

import errno
import os

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
        "show a.jsonl --output link", "tag b.jsonl --ckpt_path best.ckpt --output a.jsonl/new",
        "tag b.jsonl --ckpt_path best.ckpt --figures a.jsonl", "test --ckpt_path best.ckpt --run_folder a.jsonl/x",
        "fit --data DemoPosts --feature_store a.jsonl/new", "experiment --run_folder a.jsonl/x",
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


@pytest.mark.parametrize(
    "command",
    [
        "tag a.jsonl --ckpt_path best.ckpt --output no/x", "attend a.jsonl --ckpt_path best.ckpt --output no/x",
        "export --ckpt_path model --output no/x", "split a.jsonl --output no", "show a.jsonl --output no/x",
        "caption --images model --output no/x", "predict --ckpt_path best.ckpt --run_folder no/x",
        "cache --data DemoPosts --feature_store no/x",
    ],
)  # fmt: skip
def test_a_folder_in_which_nothing_can_be_created(folder, command, monkeypatch):
    (folder / "no").mkdir()

    def refuse(dir):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))  # as /proc does, to root as well

    monkeypatch.setattr("mner.output_paths.TemporaryFile", refuse)
    name, *arguments = command.split()
    with (
        pytest.raises(OutputError, match=r"cannot write into no.*no file can be created in .*give another path"),
        inputs_protected(name, arguments),
    ):
        raise AssertionError


def test_a_link_and_a_device_may_be_written_into():
    for output in ("link", "/dev/null", "-"):
        with inputs_protected("tag", ["b.jsonl", "--ckpt_path", "best.ckpt", "--output", output]):
            pass

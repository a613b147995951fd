"""Configs that ship with mner: found by name, listed, printed, copied."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mner
from mner.cli import main
from mner.cli.parsing import with_config_files
from mner.errors import ConfigurationError
from mner.shipped_configs import find_config, shipped_configs


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_list_describes_every_config(capsys):
    assert main(["configs"]) == 0
    listed = capsys.readouterr().out
    assert main(["configs", "list"]) == 0
    assert capsys.readouterr().out == listed
    lines = dict(line.split(maxsplit=1) for line in listed.splitlines() if line.startswith("  "))
    assert list(lines) == list(shipped_configs())
    assert lines["twitter2017"].startswith("Twitter-2017 (Lu et al. 2018)")


def test_a_config_is_printed(capsys):
    assert main(["configs", "show", "demo"]) == 0
    assert capsys.readouterr().out == shipped_configs()["demo"].read_text(encoding="utf-8")


def test_a_copy_overwrites_nothing(capsys):
    Path("folder").mkdir()
    for options, target in ([], "demo.yaml"), (["folder"], "folder/demo.yaml"), (["mine.yaml"], "mine.yaml"):
        assert main(["configs", "copy", "demo", *options]) == 0
        assert Path(capsys.readouterr().out.strip()) == Path(target)
        assert Path(target).read_bytes() == shipped_configs()["demo"].read_bytes()
        assert main(["configs", "copy", "demo", *options]) == 1
        assert f"{target} exists" in capsys.readouterr().err


def test_an_unknown_name_suggests_similar_ones(capsys):
    assert main(["configs", "show", "1.0_bert"]) == 1
    assert "did you mean 1.0_bert_crf" in capsys.readouterr().err
    with pytest.raises(
        ConfigurationError, match=r"'experiments/twitter2016\.yaml'.* did you mean twitter201\d or twit"
    ):
        find_config("experiments/twitter2016.yaml")


def test_a_file_takes_precedence_and_a_folder_does_not():
    assert find_config("demo") == shipped_configs()["demo"]
    Path("demo").mkdir()
    assert find_config("demo") == shipped_configs()["demo"]
    Path("twitter2017").write_text("data: Twitter2015", encoding="utf-8")
    assert find_config("twitter2017") == Path("twitter2017")
    os.mkfifo("offline")  # as of a process substitution
    assert find_config("offline") == Path("offline")


def test_names_among_options():
    demo = str(shipped_configs()["demo"])
    given = ["--config", "demo", "--config=demo", "-c", "demo", "--data.root", "demo", "--config", "{data: demo}"]
    assert with_config_files(given) == [
        *["--config", demo, f"--config={demo}", "-c", demo, "--data.root", "demo", "--config", "{data: demo}"]
    ]
    with pytest.raises(ConfigurationError, match="no config 'dmeo'"):
        with_config_files(["--config", "dmeo"])


@pytest.mark.slow
def test_an_installed_wheel_has_configs_and_help(tmp_path):
    """Without a network: the build backend must be installed."""
    source, target = tmp_path / "source", tmp_path / "target"
    root = Path(mner.__file__).parents[1]
    shutil.copytree(root / "mner", source / "mner", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*pip, str(source)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    for options, expected in (
        (["configs", "show", "demo"], "class_path: DemoPosts"),
        (["fit", "--help"], "--trainer.max_"),
    ):
        command = [sys.executable, "-m", "mner", *options]
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", check=True)
        assert expected in run.stdout

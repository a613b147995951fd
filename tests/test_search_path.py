"""Modules of the working directory come last."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mner
from mner.search_path import working_directory_last

SHADOWS = [
    "random",
    "torch",
    "yaml",
    "typing",
    "json",
    "argparse",
    "email",
    "csv",
    "numpy",
    "mner_plugin",
    "transformers",
]


@pytest.fixture
def search_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["", "/somewhere", str(tmp_path), "/elsewhere"])
    return sys.path


def test_it_moves_to_the_end_and_is_there_once(search_path, tmp_path):
    working_directory_last()
    working_directory_last()
    assert search_path == ["/somewhere", "/elsewhere", str(tmp_path)]


def test_what_the_user_puts_on_the_path_stays(search_path, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"/a{os.pathsep}{tmp_path}")
    before = list(search_path)
    working_directory_last()
    assert search_path == before


def test_a_file_of_the_working_directory_passes_for_no_installed_module(tmp_path):
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(
            f"import sys\nsys.exit('the {name}.py at hand was imported')\n", encoding="utf-8"
        )
    (tmp_path / "somebody-1.0.dist-info").mkdir()
    (tmp_path / "somebody-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: somebody\nVersion: 1\n", encoding="utf-8"
    )
    (tmp_path / "somebody-1.0.dist-info" / "entry_points.txt").write_text(
        "[mner.plugins]\na = mner_plugin\n", encoding="utf-8"
    )
    (tmp_path / "posts.txt").write_text("y\n", encoding="utf-8")
    search = [str(Path(mner.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search)}
    for arguments in (["--version"], ["tag", "posts.txt", "--ckpt_path", "none.ckpt"], ["tag", "--help"]):
        run = subprocess.run(
            [sys.executable, "-m", "mner", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert "at hand was imported" not in run.stderr
        assert "Traceback" not in run.stderr
        assert run.returncode == ("none.ckpt" in arguments)

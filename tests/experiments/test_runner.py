"""Cells run once; a failure or a kill costs one cell alone. A script stands in for ``mner``, writing what is asked."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mner.analysis.results import read_results
from mner.errors import ConfigurationError
from mner.experiments import Grid, GridRunner, Part

SCRIPT = """
import json, os, sys, time
from pathlib import Path

arguments = sys.argv[1:]
options = dict(zip(arguments[1::2], arguments[2::2]))
assert arguments[0] == "fit"
folder = Path(options["--run_folder"])
with open(options["--data.calls"], "a") as calls:
    calls.write(f"{folder.parent.parent.parent.name} {options['--seed_everything']}\\n")
time.sleep(float(options.get("--model.sleep", 0)))
if options.get("--model.fails") == options["--seed_everything"]:
    print("mner fit: error: no such thing")
    sys.exit(1)
for name in ("best.ckpt", "last.ckpt", "predictions.jsonl", "predictions.blank_images.jsonl"):
    (folder / name).touch()
threads = {"threads": os.environ.get("OMP_NUM_THREADS"), "device": os.environ.get("CUDA_VISIBLE_DEVICES")}
metrics = {"split": "valid", "version": "a known one", "train_posts": 7, "f1": 0.5, **threads}
(folder / "metrics.json").write_text(json.dumps(metrics))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a grid of two models and two seeds, with options for the second model."""
    script = tmp_path / "mner.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(GridRunner, "program", (sys.executable, str(script)))

    def run_grid(options=None, **settings):
        models = {"good": Part(), "other": Part(options=options or {})}
        grid = Grid(models, {"data": Part(options={"data.calls": str(tmp_path / "calls")})}, seeds=[1, 2])
        return GridRunner(grid, tmp_path / "folder", **settings).run()

    return run_grid


@pytest.fixture
def calls(tmp_path):
    return lambda: sorted((tmp_path / "calls").read_text().splitlines())


def test_every_cell_runs_once_and_leaves_a_result(run, calls, tmp_path):
    progress = run()
    assert calls() == ["good 1", "good 2", "other 1", "other 2"]
    assert set(progress.states.values()) == {"finished"}
    results = read_results(tmp_path / "folder")
    assert [(result.model, result.seed) for result in results] == [
        ("good", 1),
        ("other", 1),
        ("good", 2),
        ("other", 2),
    ]
    first = results[0]
    folder = tmp_path / "folder" / "cells" / first.cell
    assert (first.split, first.version, first.train_posts, first.metrics["f1"]) == ("valid", "a known one", 7, 0.5)
    assert first.predictions == folder / "predictions.jsonl"
    assert first.ablations == {"blank_images": folder / "predictions.blank_images.jsonl"}
    assert first.commands[0].startswith("mner fit --data.calls")
    assert (folder / "best.ckpt").exists()
    assert not (folder / "last.ckpt").exists()
    run()
    assert len(calls()) == 4


def test_a_failure_stops_nothing_and_is_tried_again(run, calls, tmp_path):
    progress = run({"model.fails": "1"})
    failed = [result for result in read_results(tmp_path / "folder") if result.status == "failed"]
    assert [(result.model, result.seed) for result in failed] == [("other", 1)]
    assert failed[0].error == "exit status 1: mner fit: error: no such thing"
    assert sorted(progress.states.values()) == ["failed", "finished", "finished", "finished"]
    run({"model.fails": "1"})
    assert calls() == ["good 1", "good 2", "other 1", "other 1", "other 2"]


def test_a_killed_cell_is_begun_anew(run, calls, tmp_path):
    run()
    folder = tmp_path / "folder" / "cells" / "good" / "data" / "fraction_1" / "seed_1"
    (folder / "cell.json").unlink()
    (folder / "half").touch()
    run()
    assert calls() == ["good 1", "good 1", "good 2", "other 1", "other 2"]
    assert not (folder / "half").exists()


def test_a_finished_cell_of_another_command_is_refused(run):
    run()
    with pytest.raises(ConfigurationError, match=r"finished, but for another command[\s\S]*--model\.sleep 0"):
        run({"model.sleep": 0})


def test_several_at_a_time_share_the_processor_or_have_a_device_each(run, tmp_path):
    run({"model.sleep": 0.1}, devices=[None, None], keep="none")
    threads = {result.metrics["threads"] for result in read_results(tmp_path / "folder")}
    assert threads == {str(max(1, os.cpu_count() // 2))}
    assert not list((tmp_path / "folder").rglob("*.ckpt"))
    for path in (tmp_path / "folder").rglob("cell.json"):
        path.unlink()
    run({"model.sleep": 0.3}, devices=["3", "MIG-5"], keep="all")
    assert {result.metrics["device"] for result in read_results(tmp_path / "folder")} == {"3", "MIG-5"}
    assert len(list((tmp_path / "folder").rglob("*.ckpt"))) == 8


def test_what_another_runner_has_in_hand_is_left_to_it(run, calls, tmp_path):
    from filelock import FileLock

    folder = tmp_path / "folder" / "cells" / "good" / "data" / "fraction_1"
    folder.mkdir(parents=True)
    with FileLock(folder / "seed_1.lock"):
        progress = run()
    assert calls() == ["good 2", "other 1", "other 2"]
    assert sorted(progress.states.values()) == ["elsewhere", "finished", "finished", "finished"]


def test_a_training_that_outlived_its_runner_is_left_alone(run, calls, tmp_path):
    import socket

    folder = tmp_path / "folder" / "cells" / "good" / "data" / "fraction_1" / "seed_1"
    folder.mkdir(parents=True)
    (folder / "process.txt").write_text(f"{socket.gethostname()} {os.getpid()}")
    assert sorted(run().states.values()) == ["elsewhere", "finished", "finished", "finished"]
    assert "good 1" not in calls()


def test_a_runner_that_is_told_to_stop_stops_its_trainings(tmp_path):
    """In a process of its own, as ``mner experiment`` runs, with a cell that would take a minute."""
    script = tmp_path / "mner.py"
    script.write_text(SCRIPT)
    grid = {
        "models": {"slow": {"options": {"model.sleep": 60}}},
        "data": {"data": {"options": {"data.calls": str(tmp_path / "calls")}}},
        "seeds": [1],
        "folder": str(tmp_path / "folder"),
    }
    (tmp_path / "grid.yaml").write_text(json.dumps(grid))
    code = (
        "import sys; from mner.experiments import GridRunner; from mner.cli import main; "
        f"GridRunner.program = (sys.executable, {str(script)!r}); "
        f"sys.exit(main(['experiment', '--config', {str(tmp_path / 'grid.yaml')!r}]))"
    )
    runner = subprocess.Popen([sys.executable, "-c", code])
    process = tmp_path / "folder/cells/slow/data/fraction_1/seed_1/process.txt"
    deadline = time.monotonic() + 60
    while not (tmp_path / "calls").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(process.read_text().split()[1])
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(30) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert not (process.parent / "cell.json").exists()
    assert not Path(tmp_path / "folder" / "results.jsonl").exists()

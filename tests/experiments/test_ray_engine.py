"""A grid on a Ray cluster of this machine: the same results as local ones, and a killed worker costs nothing."""

import os
import signal
import sys
import threading
import time

import pytest
from filelock import FileLock

from mner.analysis.results import read_results
from mner.errors import ConfigurationError
from mner.experiments import Grid, GridRunner, Part, RayEngine
from mner.experiments.ray_engine import run_process
from mner.ray_cluster import connect

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")

SCRIPT = """
import json, os, sys, time
from pathlib import Path

options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
folder = Path(options["--run_folder"])
with open(options["--data.calls"], "a") as calls:
    calls.write(f"{options['--seed_everything']} {os.getppid()}\\n")
time.sleep(float(options.get("--model.sleep", 0)))
if options["--seed_everything"] == "3":
    print("mner fit: error: no such thing")
    sys.exit(2)
for name in ("best.ckpt", "last.ckpt", "predictions.jsonl"):
    (folder / name).touch()
(folder / "metrics.json").write_text(json.dumps({"split": "valid", "f1": int(options["--seed_everything"]) / 10}))
"""


@pytest.fixture(scope="module")
def cluster():
    connect(num_cpus=2)
    yield
    ray.shutdown()


@pytest.fixture
def runner(tmp_path, monkeypatch, cluster):
    script = tmp_path / "mner.py"
    script.write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setattr(GridRunner, "program", (sys.executable, str(script)))
    monkeypatch.chdir(tmp_path)

    def make(seeds, sleep=0):
        data = {"data": Part(options={"data.calls": str(tmp_path / "calls"), "model.sleep": sleep})}
        return GridRunner(Grid({"a": Part()}, data, seeds=seeds), "folder", RayEngine())

    return make


@pytest.mark.slow
def test_cells_run_on_the_cluster(runner, tmp_path):
    progress = runner([1, 2, 3]).run()
    assert sorted(progress.states.values()) == ["failed", "finished", "finished"]
    results = read_results(tmp_path / "folder")
    assert [(each.seed, each.metrics.get("f1"), each.error) for each in results] == [
        (1, 0.1, None),
        (2, 0.2, None),
        (3, None, "exit status 2: mner fit: error: no such thing"),
    ]
    again = runner([1, 2]).run()
    assert set(again.states.values()) == {"finished"}
    assert len((tmp_path / "calls").read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize("wrong", [{"cpus": -1}, {"gpus": 1.5}, {"cpus": float("nan")}, {"max_retries": -2}])
def test_amounts_that_ray_cannot_grant_are_refused(wrong):
    with pytest.raises(ConfigurationError, match="expected "):
        RayEngine(**wrong)


def test_a_training_starts_after_the_one_whose_worker_was_lost(tmp_path):
    """The lost one may still be saving a checkpoint in the folder."""
    events = tmp_path / "events"
    (tmp_path / "cell").mkdir()
    lock = FileLock(tmp_path / "cell" / ".lock", thread_local=False)
    lock.acquire()

    def end():
        time.sleep(1)
        events.write_text("first ended\n", encoding="utf-8")
        lock.release()

    threading.Thread(target=end).start()
    code = f"open({str(events)!r}, 'a').write('second started')"
    assert run_process([sys.executable, "-c", code], "cell", {}, str(tmp_path))[0] == 0
    assert events.read_text(encoding="utf-8") == "first ended\nsecond started"


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(runner, tmp_path):
    def kill():
        calls = tmp_path / "calls"
        while not calls.exists() or not calls.read_text(encoding="utf-8").strip():
            time.sleep(0.1)
        os.kill(int(calls.read_text(encoding="utf-8").split()[1]), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    assert set(runner([1], sleep=5).run().states.values()) == {"finished"}
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert len(calls) == 2
    (result,) = read_results(tmp_path / "folder")
    assert result.metrics["f1"] == 0.1

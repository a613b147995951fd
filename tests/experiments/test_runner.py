"""Cells run once; a failure or a kill costs one cell alone. A script stands in for ``mner``, writing what is asked."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from mner.analysis.results import Result, read_results
from mner.errors import ConfigurationError, ExperimentError
from mner.experiments import Grid, GridRunner, LocalEngine, Part
from mner.experiments.progress import Progress
from mner.experiments.progress_table import clock

SCRIPT = """
import json, os, sys, time
from pathlib import Path

from filelock import FileLock

arguments = sys.argv[1:]
options = dict(zip(arguments[1::2], arguments[2::2]))
assert arguments[0] == "fit"
folder = Path(options["--run_folder"])
with open(options["--data.calls"], "a") as calls:
    calls.write(f"{folder.parent.parent.parent.name} {options['--seed_everything']}\\n")
Path(options["--data.calls"] + ".process").write_text(str(os.getpid()))
lock = FileLock(folder / ".lock").acquire(timeout=0)
time.sleep(float(options.get("--model.sleep", 0)))
if options.get("--model.fails") == options["--seed_everything"]:
    print("mner fit: error: no such thing")
    sys.exit(1)
if options.get("--model.killed") == options["--seed_everything"] and "--resume" not in options:
    (folder / "last.ckpt").touch()
    sys.exit(int(options["--model.status"])) if "--model.status" in options else os.kill(os.getpid(), 9)
(folder / "resumed").write_text(options.get("--resume", "never"))
(folder / "pretraining").mkdir()
for name in ("best.ckpt", "last.ckpt", "pretraining/last.ckpt", "predictions.jsonl", "predictions.blank_images.jsonl"):
    (folder / name).touch()
threads = {"threads": os.environ.get("OMP_NUM_THREADS"), "device": os.environ.get("CUDA_VISIBLE_DEVICES")}
metrics = {"split": "valid", "version": "a known one", "train_posts": 7, "f1": 0.5, **threads}
metrics["images"] = {"named": 5, "used": 3}
(folder / "metrics.json").write_text(options.get("--model.metrics", json.dumps(metrics)))
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a grid of two models and two seeds, with options for the second model."""
    script = tmp_path / "mner.py"
    script.write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setattr(GridRunner, "program", (sys.executable, str(script)))

    def run_grid(options=None, **settings):
        models = {"good": Part(), "other": Part(options=options or {})}
        grid = Grid(models, {"data": Part(options={"data.calls": str(tmp_path / "calls")})}, seeds=[1, 2])
        return GridRunner(grid, tmp_path / "folder", **settings).run()

    return run_grid


@pytest.fixture
def calls(tmp_path):
    return lambda: sorted((tmp_path / "calls").read_text(encoding="utf-8").splitlines())


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
    assert first.images == {"named": 5, "used": 3}
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


def test_a_cell_that_was_killed_before_its_first_checkpoint_is_begun_anew(run, calls, tmp_path):
    run()
    folder = tmp_path / "folder" / "cells" / "good" / "data" / "fraction_1" / "seed_1"
    (folder / "cell.json").unlink()
    (folder / "half").touch()
    run()
    assert calls() == ["good 1", "good 1", "good 2", "other 1", "other 2"]
    assert not (folder / "half").exists()


@pytest.mark.parametrize("status", [None, "130"])
def test_a_killed_cell_is_resumed(run, tmp_path, status):
    options = {"model.killed": "2"} | ({} if status is None else {"model.status": status})
    assert sorted(run(options).states.values()) == ["failed", "finished", "finished", "finished"]
    folder = tmp_path / "folder" / "cells" / "other" / "data" / "fraction_1" / "seed_2"
    (folder / "log.txt").write_text("epoch 1\n", encoding="utf-8")
    assert set(run(options).states.values()) == {"finished"}
    assert (folder / "resumed").read_text(encoding="utf-8") == "auto"
    assert (folder.with_name("seed_1") / "resumed").read_text(encoding="utf-8") == "never"
    assert (folder / "log.txt").read_text(encoding="utf-8").startswith("epoch 1\n")
    (result,) = (each for each in read_results(tmp_path / "folder") if (each.model, each.seed) == ("other", 2))
    assert "--resume" not in result.commands[0]


@pytest.mark.parametrize(("first", "second"), [({}, {"model.sleep": "0"}), ({"model.status": "1"}, {})])
def test_a_cell_of_another_command_or_that_failed_is_begun_anew(run, calls, tmp_path, first, second):
    run({"model.killed": "2"} | first)
    shutil.rmtree(tmp_path / "folder" / "cells" / "other" / "data" / "fraction_1" / "seed_1")
    assert "failed" in run({"model.killed": "2"} | first | second).states.values()  # without --resume: killed again
    assert calls().count("other 2") == 2


def test_a_cell_that_chooses_its_checkpoint_itself_is_begun_anew(run):
    options = {"model.killed": "2", "ckpt_path": "pretrained.ckpt"}
    for _ in range(2):
        assert "failed" in run(options).states.values()


def test_a_finished_cell_of_another_command_is_refused(run):
    run()
    with pytest.raises(ConfigurationError, match=r"finished, but for another command[\s\S]*--model\.sleep 0"):
        run({"model.sleep": 0})


def test_several_at_a_time_share_the_processor_or_have_a_device_each(run, tmp_path):
    run({"model.sleep": 0.1}, engine=LocalEngine([None, None]), keep="none")
    threads = {result.metrics["threads"] for result in read_results(tmp_path / "folder")}
    assert threads == {str(max(1, os.cpu_count() // 2))}
    assert not list((tmp_path / "folder").rglob("*.ckpt"))
    for path in (tmp_path / "folder").rglob("cell.json"):
        path.unlink()
    run({"model.sleep": 0.3}, engine=LocalEngine(["3", "MIG-5"]), keep="all")
    assert {result.metrics["device"] for result in read_results(tmp_path / "folder")} == {"3", "MIG-5"}
    assert len(list((tmp_path / "folder").rglob("*.ckpt"))) == 12


@pytest.mark.parametrize("content", ["", "[]", '{"status": "finished"}'])
def test_a_record_that_was_cut_off_costs_its_cell_only(run, calls, tmp_path, content):
    run()
    path = tmp_path / "folder" / "cells" / "good" / "data" / "fraction_1" / "seed_1" / "cell.json"
    path.write_text(content, encoding="utf-8")
    assert set(run().states.values()) == {"finished"}
    assert calls() == ["good 1", "good 1", "good 2", "other 1", "other 2"]
    assert len(read_results(tmp_path / "folder")) == 4


@pytest.mark.parametrize("content", ["{", "[]"])
def test_metrics_that_cannot_be_read_fail_their_cell_only(run, tmp_path, content):
    progress = run({"model.metrics": content})
    assert sorted(progress.states.values()) == ["failed", "failed", "finished", "finished"]
    failed = [result for result in read_results(tmp_path / "folder") if result.status == "failed"]
    assert all("no metrics.json that can be read" in result.error for result in failed)


def test_a_folder_has_one_runner(run, tmp_path):
    (tmp_path / "folder").mkdir()
    with (
        FileLock(tmp_path / "folder" / ".lock"),
        pytest.raises(ExperimentError, match=r"another mner experiment .* --engine ray"),
    ):
        run()


def test_a_cell_whose_training_outlives_its_runner_waits_for_its_end(run, calls, tmp_path):
    held = tmp_path / "folder" / "cells" / "good" / "data" / "fraction_1" / "seed_1" / ".lock"
    held.parent.mkdir(parents=True)
    lock = FileLock(held, thread_local=False)
    lock.acquire()
    (tmp_path / "calls").touch()  # before the thread, which would end without it, and the runner wait for ever
    threading.Thread(target=lambda: (wait_for(lambda: len(calls()) == 3), lock.release(force=True))).start()
    assert set(run().states.values()) == {"finished"}
    assert calls() == ["good 1", "good 2", "other 1", "other 2"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends trainings with their runner")
def test_a_runner_that_is_killed_leaves_no_training(tmp_path, monkeypatch):
    runner, grid = slow_runner(tmp_path, monkeypatch)
    child = training_of(tmp_path)
    runner.kill()
    runner.wait(30)
    quick = replace(grid, models={"slow": Part(options={"model.sleep": 0})})
    assert list(GridRunner(quick, tmp_path / "folder").run().states.values()) == ["finished"]
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_runner_that_is_told_to_stop_stops_its_trainings(tmp_path, monkeypatch):
    runner, _ = slow_runner(tmp_path, monkeypatch)
    child = training_of(tmp_path)
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(30) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert not list(tmp_path.rglob("cell.json"))
    assert not Path(tmp_path / "folder" / "results.jsonl").exists()


def test_remaining_time_is_that_of_the_cells_to_come():
    cells = list(Grid({"a": Part()}, {"data": Part()}, seeds=range(5)).cells())
    progress = Progress(dict.fromkeys(cells, "waiting"), num_jobs=2)
    assert progress.remaining() is None
    for cell, seconds in zip(cells, (50, 150), strict=False):
        progress.set_state(cell, "finished")
        progress.results[cell] = Result("a", "data", cell.seed, seconds=seconds)
    progress.set_state(cells[2], "running")
    assert progress.remaining() == pytest.approx((2 * 100 + 100) / 2, abs=1)
    progress.set_state(cells[3], "failed")
    progress.set_state(cells[4], "failed")
    assert progress.remaining() == pytest.approx(100, abs=1)
    assert "about 1 min 40 s remaining" in clock(progress)
    progress.started[cells[2]] -= 1000
    assert "remaining" not in clock(progress)  # it runs for longer than those before
    progress.set_state(cells[2], "finished")
    assert progress.remaining() == 0


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert met


def training_of(tmp_path):
    """The process number of the only training, as it wrote it down."""
    path = tmp_path / "calls.process"
    wait_for(lambda: path.exists() and path.read_text(encoding="utf-8"))
    return int(path.read_text(encoding="utf-8"))


def slow_runner(tmp_path, monkeypatch):
    """``mner experiment`` in its own process, with a cell that would take a minute; and its grid."""
    script = tmp_path / "mner.py"
    script.write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setattr(GridRunner, "program", (sys.executable, str(script)))
    grid = Grid(
        {"slow": Part(options={"model.sleep": 60})},
        {"data": Part(options={"data.calls": str(tmp_path / "calls")})},
        seeds=[1],
    )
    config = {name: asdict(grid)[name] for name in ("models", "data", "seeds")}
    (tmp_path / "grid.yaml").write_text(
        json.dumps({**config, "run_folder": str(tmp_path / "folder")}), encoding="utf-8"
    )
    code = (
        "import sys; from mner.experiments import GridRunner; from mner.cli import main; "
        f"GridRunner.program = (sys.executable, {str(script)!r}); "
        f"sys.exit(main(['experiment', '--config', {str(tmp_path / 'grid.yaml')!r}]))"
    )
    return subprocess.Popen([sys.executable, "-c", code]), grid

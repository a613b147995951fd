"""Runs the cells of a grid: each once, several at a time, a failure or a kill costing one cell alone."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from filelock import FileLock, Timeout

from mner.analysis.results import RESULTS_FILE, Result, write_results
from mner.errors import ConfigurationError
from mner.experiments.grid import Cell, Grid
from mner.files import atomic_write
from mner.post_json import to_json

CELL_FILE = "cell.json"
LOG_FILE = "log.txt"
PROCESS_FILE = "process.txt"
Keep = Literal["best", "none", "all"]
State = Literal["waiting", "running", "elsewhere", "finished", "failed"]


@dataclass
class Progress:
    """How far a grid is.

    Args:
        states: State of each cell.
        results: Results of the cells that are finished or failed.
    """

    states: dict[Cell, State]
    results: dict[Cell, Result] = field(default_factory=dict)


class GridRunner:
    """Runs a grid in a folder, which holds ``results.jsonl`` and a folder a cell with all that ``mner fit`` leaves.

    A cell is the ``mner fit`` command it stands for, in a process of its own, with its output in ``log.txt``. A cell
    that is finished is not run again; one that was killed or failed is begun anew. Several runners, on one machine or
    on several that share the folder, take different cells.

    Args:
        grid: The grid.
        folder: Where everything goes.
        devices: What each of the cells that run at a time sees as its device: entries of ``CUDA_VISIBLE_DEVICES``,
            or ``None`` for the processor.
        keep: Which checkpoints stay when a cell is finished.
        watch: Called with the progress whenever it changes, from any thread, one call at a time.
    """

    program: Sequence[str] = (sys.executable, "-m", "mner")

    def __init__(
        self,
        grid: Grid,
        folder: str | Path,
        devices: Sequence[str | None] = (None,),
        keep: Keep = "best",
        watch: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.grid = grid
        self.folder = Path(folder)
        self.devices = list(devices)
        self.keep = keep
        self.watch = watch
        self.progress = Progress(dict.fromkeys(grid.cells(), "waiting"))
        self._changing = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self) -> Progress:
        """Run what is not finished.

        Returns:
            The progress at the end.

        Raises:
            ConfigurationError: If a config is not there, or a finished cell of the folder stands for another command.
        """
        self.grid.check_configs()
        cells = list(self.progress.states)
        found = {cell: self._finished(cell) for cell in cells}
        self.progress.results.update({cell: result for cell, result in found.items() if result is not None})
        self.progress.states.update(dict.fromkeys(self.progress.results, "finished"))
        if self.progress.results:
            self._write()
            self.watch(self.progress)
        free: SimpleQueue[str | None] = SimpleQueue()
        for device in self.devices:
            free.put(device)

        def run_one(cell: Cell) -> None:
            device = free.get()
            try:
                self._run(cell, device)
            finally:
                free.put(device)

        waiting = [cell for cell in cells if self.progress.states[cell] != "finished"]
        with ThreadPoolExecutor(len(self.devices)) as pool:
            tasks = [pool.submit(run_one, cell) for cell in waiting]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                self._stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
                for child in list(self._children):
                    child.terminate()
                raise
        return self.progress

    def command(self, cell: Cell) -> list[str]:
        """The command of a cell, as a user would type it."""
        return ["mner", "fit", *cell.arguments, "--run_folder", str(self.cell_folder(cell))]

    def cell_folder(self, cell: Cell) -> Path:
        """The folder of a cell."""
        return self.folder / "cells" / _empty_result(cell).cell

    def _run(self, cell: Cell, device: str | None) -> None:
        folder = self.cell_folder(cell)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder.with_name(folder.name + ".lock"), timeout=0):
                result = self._finished(cell)  # by another runner, since this one began
                if result is None:
                    if _still_runs(folder):
                        raise Timeout(str(folder))
                    self._set(cell, "running")
                    result = self._train(cell, folder, device)
                self._note(cell, result)
        except Timeout:
            self._set(cell, "elsewhere")

    def _train(self, cell: Cell, folder: Path, device: str | None) -> Result | None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = self.command(cell)
        start = time.perf_counter()
        with (folder / LOG_FILE).open("wb") as log:
            child = subprocess.Popen(
                [*self.program, *command[1:]], stdout=log, stderr=subprocess.STDOUT, env=self._environment(device)
            )
            (folder / PROCESS_FILE).write_text(f"{socket.gethostname()} {child.pid}", encoding="utf-8")
            self._children.add(child)
            status = child.wait()
            self._children.discard(child)
        if self._stopped:
            return None
        (folder / PROCESS_FILE).unlink()
        seconds = round(time.perf_counter() - start, 1)
        if status:
            result = _empty_result(cell, status="failed", error=_complaint(folder / LOG_FILE, status))
        else:
            result = _scored(cell, folder)
            self._tidy(folder)
        record = replace(result, seconds=seconds, commands=[shlex.join(command)])
        _write_json(folder / CELL_FILE, record.to_dict(folder))
        return record

    def _finished(self, cell: Cell) -> Result | None:
        """The result of a cell that is finished, ``None`` if it is to be run."""
        folder = self.cell_folder(cell)
        if not (folder / CELL_FILE).is_file():
            return None
        record = json.loads((folder / CELL_FILE).read_text(encoding="utf-8"))
        result = Result.from_dict(record, folder)
        if result.status != "finished":
            return None
        command = shlex.join(self.command(cell))
        if list(result.commands) != [command]:
            raise ConfigurationError(
                f"{folder} is finished, but for another command than the grid's. It was:",
                f"  {result.commands[0]}",
                "and would be:",
                f"  {command}",
                "Give the changed grid another folder, or delete that cell's",
            )
        return result

    def _environment(self, device: str | None) -> dict[str, str]:
        environment = dict(os.environ, PYTHONUNBUFFERED="1")
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        elif len(self.devices) > 1:
            environment["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // len(self.devices)))
        return environment

    def _tidy(self, folder: Path) -> None:
        """Delete the checkpoints that are not kept, the last one of a training being the largest file by far."""
        kept = {"best": {"best.ckpt"}, "none": set[str](), "all": {path.name for path in folder.glob("*.ckpt")}}
        for path in folder.glob("*.ckpt"):
            if path.name not in kept[self.keep]:
                path.unlink()

    def _note(self, cell: Cell, result: Result | None) -> None:
        """Take a result in."""
        if result is None:
            return
        with self._changing:
            self.progress.results[cell] = result
        self._set(cell, result.status)
        self._write()

    def _write(self) -> None:
        """Write the results file anew, with what other runners finished in the same folder."""
        with self._changing, FileLock(self.folder / (RESULTS_FILE + ".lock")):
            found = (self.progress.results.get(each) or self._finished(each) for each in self.progress.states)
            write_results((each for each in found if each is not None), self.folder / RESULTS_FILE)

    def _set(self, cell: Cell, state: State) -> None:
        with self._changing:
            self.progress.states[cell] = state
            self.watch(self.progress)


def _empty_result(cell: Cell, **values: Any) -> Result:
    return Result(cell.model, cell.data, cell.seed, cell.fraction, **values)


def _still_runs(folder: Path) -> bool:
    """Whether the training of a runner that was killed goes on in a folder, on this machine."""
    try:
        host, process = (folder / PROCESS_FILE).read_text(encoding="utf-8").split()
        if host == socket.gethostname():
            os.kill(int(process), 0)
            return True
    except (FileNotFoundError, ProcessLookupError):
        pass
    return False


def _scored(cell: Cell, folder: Path) -> Result:
    """What ``mner fit`` left behind of a cell."""
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _empty_result(cell, status="failed", error="the training left no metrics.json: nothing was scored")
    about = {name: metrics.pop(name, None) for name in ("split", "version", "train_posts")}
    ablations = {path.name.split(".")[1]: path for path in sorted(folder.glob("predictions.*.jsonl"))}
    return _empty_result(cell, metrics=metrics, predictions=folder / "predictions.jsonl", ablations=ablations, **about)


def _complaint(log: Path, status: int) -> str:
    """The last lines of a log, in which a command says what went wrong."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = next(
        (index for index, line in enumerate(lines) if line.startswith("mner") and ": error: " in line),
        max(0, len(lines) - 3),
    )
    return f"exit status {status}: " + " ".join(line.strip() for line in lines[said : said + 5])


def _write_json(path: Path, record: dict[str, Any]) -> None:
    with atomic_write(path) as file:
        file.write(to_json(record, indent=2) + "\n")

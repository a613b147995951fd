"""Runs the cells of a grid: each once, several at a time; a failure or a kill costs only its cell."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from mner.analysis.results import RESULTS_FILE, Result, write_results
from mner.errors import ConfigurationError, DataError
from mner.experiments.grid import Cell, Grid
from mner.experiments.progress import Progress, State
from mner.files import atomic_write, lock_file, output_errors
from mner.post_json import from_json, to_json

CELL_FILE = "cell.json"
LOG_FILE = "log.txt"
Keep = Literal["best", "none", "all"]


class GridRunner:
    """Runs a grid in a folder that contains ``results.jsonl`` and one folder per cell with the output of ``mner fit``.

    A cell runs as the ``mner fit`` command that it stands for, in its own process, with its output in ``log.txt``. A
    finished cell is not run again; one that was killed or failed, or whose record cannot be read, is run from scratch.
    Several runners, on one machine or on several that share the folder, take different cells: the lock of a cell is
    held by its runner and by its training, and released by the system when both have ended.

    Args:
        grid: The grid.
        folder: The folder.
        devices: One item per cell that runs at a time: the index, UUID or MIG id of a CUDA device, or ``None`` for the
            CPU.
        keep: Checkpoints that are kept when a cell is finished.
        modules: The user's modules that every cell imports (``--import``).
        watch: Called with the progress whenever it changes, from any thread, one call at a time.
    """

    program: Sequence[str] = (sys.executable, "-m", "mner")

    def __init__(
        self,
        grid: Grid,
        folder: str | Path,
        devices: Sequence[str | None] = (None,),
        keep: Keep = "best",
        modules: Sequence[str] = (),
        watch: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.grid = grid
        self.folder = Path(folder)
        self.devices = list(devices)
        self.keep = keep
        self.modules = list(modules)
        self.watch = watch
        self.progress = Progress(dict.fromkeys(grid.cells(), "waiting"), len(self.devices))
        self._changing = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self) -> Progress:
        """Run the cells that are not finished.

        Returns:
            The progress at the end.

        Raises:
            ConfigurationError: If a config does not exist, or a finished cell of the folder is of another command.
            OutputError: If the folder cannot be written.
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
        """Return the command of a cell, as a user would type it."""
        imports = [f"--import={module}" for module in self.modules]
        return ["mner", "fit", *cell.arguments, *imports, "--run_folder", str(self.cell_folder(cell))]

    def cell_folder(self, cell: Cell) -> Path:
        """Return the folder of a cell."""
        return self.folder / "cells" / _empty_result(cell).cell

    def _run(self, cell: Cell, device: str | None) -> None:
        folder = self.cell_folder(cell)
        try:
            with lock_file(folder.with_name(f".{folder.name}.lock")) as lock:
                result = self._finished(cell)  # by another runner, since this one started
                if result is None:
                    self._set(cell, "running")
                    result = self._train(cell, folder, device, lock)
                self._record(cell, result)
        except BlockingIOError:
            self._set(cell, "elsewhere")

    def _train(self, cell: Cell, folder: Path, device: str | None, lock: int) -> Result | None:
        shutil.rmtree(folder, ignore_errors=True)
        with output_errors(folder, always=True):
            folder.mkdir(parents=True)
        command = self.command(cell)
        start = time.perf_counter()
        with (folder / LOG_FILE).open("wb") as log:
            child = subprocess.Popen(
                [*self.program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(device),
                pass_fds=(lock,),  # a training that outlives its runner keeps its cell locked
            )
            self._children.add(child)
            status = child.wait()
            self._children.discard(child)
        if self._stopped:
            return None
        seconds = round(time.perf_counter() - start, 1)
        if status:
            result = _empty_result(cell, status="failed", error=_complaint(folder / LOG_FILE, status))
        else:
            result = _scored(cell, folder)
            self._tidy(folder)
        record = replace(result, seconds=seconds, commands=[shlex.join(command)])
        with atomic_write(folder / CELL_FILE) as file:
            file.write(to_json(record.to_dict(folder), indent=2) + "\n")
        return record

    def _finished(self, cell: Cell) -> Result | None:
        """Return the result of a finished cell, or ``None`` if the cell is to be run."""
        folder = self.cell_folder(cell)
        try:
            result = Result.from_dict(from_json((folder / CELL_FILE).read_bytes()), folder)
        except (OSError, DataError):  # no record, or one that was cut off
            return None
        if result.status != "finished" or not result.commands:
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
        """Delete the checkpoints that are not kept; ``last.ckpt`` is by far the largest file of a training."""
        kept = {"best": {"best.ckpt"}, "none": set[str](), "all": {path.name for path in folder.glob("*.ckpt")}}
        for path in folder.glob("*.ckpt"):
            if path.name not in kept[self.keep]:
                path.unlink()

    def _record(self, cell: Cell, result: Result | None) -> None:
        if result is None:
            return
        with self._changing:
            self.progress.results[cell] = result
        self._set(cell, result.status)
        self._write()

    def _write(self) -> None:
        """Write the results file, with the cells that other runners have finished in the same folder."""
        with self._changing:
            found = (self.progress.results.get(each) or self._finished(each) for each in self.progress.states)
            write_results((each for each in found if each is not None), self.folder / RESULTS_FILE)

    def _set(self, cell: Cell, state: State) -> None:
        with self._changing:
            self.progress.set_state(cell, state)
            self.watch(self.progress)


def _empty_result(cell: Cell, **values: Any) -> Result:
    return Result(cell.model, cell.data, cell.seed, cell.fraction, **values)


def _scored(cell: Cell, folder: Path) -> Result:
    """Read the result of a cell from the files that ``mner fit`` wrote."""
    try:
        metrics = dict(from_json((folder / "metrics.json").read_bytes()))
        float(metrics["f1"])
    except (OSError, DataError, ValueError, TypeError, KeyError) as error:
        complaint = f"the training wrote no metrics.json that can be read, so nothing was scored ({error!r})"
        return _empty_result(cell, status="failed", error=complaint)
    about = {name: metrics.pop(name, None) for name in ("split", "version", "train_posts", "images")}
    ablations = {path.name.split(".")[1]: path for path in sorted(folder.glob("predictions.*.jsonl"))}
    return _empty_result(cell, metrics=metrics, predictions=folder / "predictions.jsonl", ablations=ablations, **about)


def _complaint(log: Path, status: int) -> str:
    """Return the last lines of a log, with the command's error message."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = next(
        (index for index, line in enumerate(lines) if line.startswith("mner") and ": error: " in line),
        max(0, len(lines) - 3),
    )
    return f"exit status {status}: " + " ".join(line.strip() for line in lines[said : said + 5])

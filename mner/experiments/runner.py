"""Runs the cells of a grid: each once, several at a time; a failure or a kill costs only its cell."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from mner.analysis.results import RESULTS_FILE, Result, write_results
from mner.errors import ConfigurationError, DataError, ExperimentError
from mner.experiments.engine import COMMAND_FILE, LOCK, LOG_FILE, Ended, Engine, Job
from mner.experiments.grid import Cell, Grid
from mner.experiments.local_engine import LocalEngine
from mner.experiments.progress import Progress, State
from mner.files import atomic_write
from mner.output_paths import output_errors
from mner.post_json import from_json, to_json

CELL_FILE = "cell.json"
POLL = 0.1
"""Seconds between two looks at the running cells."""
SIGNALLED = 128
"""Exit statuses above it, and negative ones, are those of processes that a signal stopped."""
Keep = Literal["best", "none", "all"]


class GridRunner:
    """Runs a grid in a folder that contains ``results.jsonl`` and one folder per cell with the output of ``mner fit``.

    A cell runs as the ``mner fit`` command that it stands for, in its own process, with its output in ``log.txt``. A
    finished cell is not run again; one that was killed is resumed from its last checkpoint; one that failed, or whose
    record cannot be read, is run from scratch. A training that outlived an earlier runner is waited for.

    Args:
        grid: The grid.
        folder: The folder.
        engine: What runs the cells; one at a time on this machine by default.
        keep: Checkpoints that are kept when a cell is finished.
        modules: The user's modules that every cell imports (``--import``).
        watch: Called with the progress whenever it changes.
    """

    program: Sequence[str] = (sys.executable, "-m", "mner")

    def __init__(
        self,
        grid: Grid,
        folder: str | Path,
        engine: Engine | None = None,
        keep: Keep = "best",
        modules: Sequence[str] = (),
        watch: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.grid = grid
        self.folder = Path(folder)
        self.engine = LocalEngine() if engine is None else engine
        self.keep = keep
        self.modules = list(modules)
        self.watch = watch
        self.waiting = list(self.first_cells())
        self.progress = Progress(dict.fromkeys(self.waiting, "waiting"), self.engine.slots)

    def first_cells(self) -> Iterator[Cell]:
        """The cells that are known before the first one has run."""
        return self.grid.cells()

    def run(self) -> Progress:
        """Run the cells that are not finished.

        Returns:
            The progress at the end.

        Raises:
            ConfigurationError: If a config does not exist, or a finished cell of the folder is of another command.
            ExperimentError: If another runner is running in the folder.
            OutputError: If the folder cannot be written.
        """
        self.grid.check_configs()
        with self._owned():
            found = {cell: self._finished(cell) for cell in self.waiting}
            self.progress.results.update({cell: result for cell, result in found.items() if result is not None})
            self.progress.states.update(dict.fromkeys(self.progress.results, "finished"))
            self.waiting = [cell for cell in self.waiting if found[cell] is None]
            if self.progress.results:
                self._write()
                self.watch(self.progress)
            self._work()
        return self.progress

    def command(self, cell: Cell) -> list[str]:
        """Return the command of a cell, as a user would type it."""
        imports = [f"--import={module}" for module in self.modules]
        return ["mner", "fit", *cell.arguments, *imports, "--run_folder", str(self.cell_folder(cell))]

    def cell_folder(self, cell: Cell) -> Path:
        """Return the folder of a cell."""
        return self.folder / "cells" / empty_result(cell).cell

    def next_cell(self) -> Cell | None:
        """Take the next cell to run; ``None`` if there is none at present."""
        cell = next((cell for cell in self.waiting if not self._is_held(cell)), None)
        if cell is not None:
            self.waiting.remove(cell)
        return cell

    def is_done(self) -> bool:
        """Whether no cell is left when none is running."""
        return not self.waiting

    def observe(self, cell: Cell) -> bool:
        """Look at a running cell; return whether to stop it."""
        return False

    def ended(self, cell: Cell, result: Result | None) -> None:
        """Take note of the end of a cell; it has no result if it was stopped."""

    def _work(self) -> None:
        running: dict[Cell, Job] = {}
        try:
            while True:
                while len(running) < self.engine.slots and (cell := self.next_cell()) is not None:
                    self._set(cell, "running")
                    running[cell] = self.engine.start([*self.program, *self.command(cell)[1:]], self.cell_folder(cell))
                if not running and self.is_done():
                    return
                for cell, job in list(running.items()):
                    end = job.poll()
                    if end is not None:
                        del running[cell]
                        self._record(cell, end)
                    elif self.observe(cell):
                        job.stop()
                        del running[cell]
                        self._tidy(self.cell_folder(cell))
                        self._set(cell, "pruned")
                        self.ended(cell, None)
                time.sleep(POLL)
        finally:
            for job in running.values():
                job.stop()

    def _record(self, cell: Cell, end: Ended) -> None:
        folder = self.cell_folder(cell)
        if end.status:
            result = empty_result(cell, status="failed", error=_complaint(folder / LOG_FILE, end.status))
            if 0 < end.status < SIGNALLED:  # its checkpoint may be the cause
                (folder / COMMAND_FILE).unlink(missing_ok=True)
        else:
            result = _scored(cell, folder)
            self._tidy(folder)
        result = replace(result, seconds=round(end.seconds, 1), commands=[shlex.join(self.command(cell))])
        with atomic_write(folder / CELL_FILE) as file:
            file.write(to_json(result.to_dict(folder), indent=2) + "\n")
        self.progress.results[cell] = result
        self._set(cell, result.status)
        self._write()
        self.ended(cell, result)

    @contextmanager
    def _owned(self) -> Iterator[None]:
        """Keep other runners out of the folder."""
        with output_errors(self.folder, always=True):
            self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / LOCK, timeout=0):
                yield
        except Timeout as error:
            raise ExperimentError(
                f"another mner experiment is running in {self.folder}; to use several machines, run one with "
                "--engine ray"
            ) from error

    def _is_held(self, cell: Cell) -> bool:
        """Whether a training that outlived its runner is still running in the folder of a cell."""
        lock = self.cell_folder(cell) / LOCK
        if not lock.exists():
            return False
        try:
            with FileLock(lock, timeout=0):
                return False
        except Timeout:
            return True

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

    def _tidy(self, folder: Path) -> None:
        """Delete the checkpoints that are not kept, also of a pre-training; ``last.ckpt`` is by far the largest."""
        for path in [] if self.keep == "all" else [*folder.rglob("*.ckpt")]:
            if self.keep == "none" or path.name != "best.ckpt":
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)  # a folder of shards, or a file

    def _write(self) -> None:
        """Write the results file."""
        results = (self.progress.results.get(cell) for cell in self.progress.states)
        write_results((each for each in results if each is not None), self.folder / RESULTS_FILE)

    def _set(self, cell: Cell, state: State) -> None:
        self.progress.set_state(cell, state)
        self.watch(self.progress)


def empty_result(cell: Cell, **values: Any) -> Result:
    """Build the result of a cell that has not been scored."""
    return Result(cell.model, cell.data, cell.seed, cell.fraction, **values)


def _scored(cell: Cell, folder: Path) -> Result:
    """Read the result of a cell from the files that ``mner fit`` wrote."""
    try:
        metrics = dict(from_json((folder / "metrics.json").read_bytes()))
        float(metrics["f1"])
    except (OSError, DataError, ValueError, TypeError, KeyError) as error:
        complaint = f"the training wrote no metrics.json that can be read, so nothing was scored ({error!r})"
        return empty_result(cell, status="failed", error=complaint)
    metrics.pop("data", None)  # the class; the cell has a name
    about = {name: metrics.pop(name, None) for name in ("split", "version", "train_posts", "images")}
    ablations = {path.name.split(".")[1]: path for path in sorted(folder.glob("predictions.*.jsonl"))}
    return empty_result(cell, metrics=metrics, predictions=folder / "predictions.jsonl", ablations=ablations, **about)


def _complaint(log: Path, status: int) -> str:
    """Return the last lines of a log, with the command's error message."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = next(
        (index for index, line in enumerate(lines) if line.startswith("mner") and ": error: " in line),
        max(0, len(lines) - 3),
    )
    return f"exit status {status}: " + " ".join(line.strip() for line in lines[said : said + 5])

"""Runs the trials of a search: Optuna chooses their options, the runner of grids trains and records them."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from math import isnan
from pathlib import Path
from typing import Any

from mner.analysis.results import Result
from mner.errors import ExperimentError
from mner.experiments.grid import Cell, Grid
from mner.experiments.runner import GridRunner
from mner.experiments.search import Search, import_optuna

STORAGE = "search.db"
METRICS = "metrics.csv"


@dataclass
class _Trial:
    """A trial that is running: its cells, one per seed, and the best scores of those that have ended."""

    trial: Any
    study: Any
    cells: list[Cell]
    reported: int = 0
    values: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Best:
    """The best trial of a study.

    Args:
        study: Name of model, data set and fraction.
        value: Mean over seeds of the best validation score.
        options: The options that were chosen.
        folder: Folder of its first seed, with its config and checkpoint.
    """

    study: str
    value: float
    options: Mapping[str, Any]
    folder: Path


class SearchRunner(GridRunner):
    """Runs a search in a folder like that of a grid, whose models are the trials: ``text-trial_000``.

    Trials are kept in Optuna's storage. One that was killed or failed is repeated in its folder by the next run; the
    cells that it had finished are not.

    Args:
        grid: Models, data sets and fractions, each combination with a study of its own, and seeds.
        search: The search.
        folder: The folder.
        options: Further arguments of :class:`~mner.experiments.runner.GridRunner`.
    """

    def __init__(self, grid: Grid, search: Search, folder: str | Path, **options: Any) -> None:
        self.search = search
        self._trials: dict[Cell, _Trial] = {}
        self._ready: deque[_Trial] = deque()
        self._studies: dict[tuple[str, str, float], Any] = {}
        super().__init__(grid, folder, **options)

    def first_cells(self) -> Iterator[Cell]:
        """None: the first trial is drawn when the search runs."""
        return iter(())

    def next_cell(self) -> Cell | None:
        """Take the next seed of a trial, or draw a trial."""
        self._open_studies()
        while (trial := self._ready.popleft() if self._ready else self._draw()) is not None:
            cell = trial.cells[len(trial.values)]
            self._trials[cell] = trial
            result = self._finished(cell)
            if result is None:
                return cell
            self.progress.results[cell] = result
            self._set(cell, "finished")
            self.ended(cell, result)
        return None

    def is_done(self) -> bool:
        """Whether every study has its trials: it has if none is running and there is no next cell."""
        return True

    def observe(self, cell: Cell) -> bool:
        """Report the validation scores of a trial's first seed; return whether the pruner gives it up."""
        trial = self._trials[cell]
        if trial.values:
            return False
        scores = self._scores(cell)
        for step, score in list(enumerate(scores))[trial.reported :]:
            trial.trial.report(score, step)
        new, trial.reported = len(scores) > trial.reported, max(trial.reported, len(scores))
        return new and bool(trial.trial.should_prune())

    def ended(self, cell: Cell, result: Result | None) -> None:
        """Train the next seed, or tell the study the value of the trial."""
        states = import_optuna().trial.TrialState
        trial = self._trials.pop(cell)
        study = trial.study
        if result is None:
            study.tell(trial.trial, state=states.PRUNED)
            return
        if result.status == "failed":
            study.tell(trial.trial, state=states.FAIL)
            return
        logged = self._scores(cell)
        if not logged:
            raise ExperimentError(
                f"{self.cell_folder(cell) / METRICS} has no {self.search.monitor}: a search reads it from the default "
                "logger; leave out trainer.logger, or correct search.monitor"
            )
        scores = [score for score in logged if not isnan(score)]
        if not scores:  # repeating the training would not help; Optuna refuses such a value
            study.tell(trial.trial, state=states.PRUNED)
            return
        trial.values.append(max(scores) if self.search.direction == "maximize" else min(scores))
        if len(trial.values) < len(trial.cells):
            self._ready.append(trial)
        else:
            study.tell(trial.trial, sum(trial.values) / len(trial.values))

    def best(self) -> list[Best]:
        """The best trial of each study that has a complete one."""
        complete = (import_optuna().trial.TrialState.COMPLETE,)
        found = []
        for (model, data, fraction), study in self._studies.items():
            if study.get_trials(deepcopy=False, states=complete):
                best = study.best_trial
                cell = self._cells(model, data, fraction, best)[0]
                found.append(Best(study.study_name, best.value, best.params, self.cell_folder(cell)))
        return found

    def _open_studies(self) -> None:
        """Open the studies, read the results of this folder, and queue its trials that were interrupted or failed."""
        if self._studies:
            return
        default = f"sqlite:///{(self.folder / STORAGE).absolute()}"
        states = import_optuna().trial.TrialState
        for model, data, fraction in product(self.grid.variants, self.grid.data, self.grid.fractions):
            study = self.search.study(f"{model}/{data}/fraction_{fraction:g}", default)
            self._studies[model, data, fraction] = study
            last = {name_of(trial): trial for trial in study.get_trials() if name_of(trial) and self._is_mine(trial)}
            for name, trial in last.items():
                if trial.state == states.RUNNING:
                    study.tell(trial.number, state=states.FAIL)
                if trial.state in (states.RUNNING, states.FAIL):
                    study.enqueue_trial(trial.params, {"name": name, "folder": str(self.folder.absolute())})
                elif trial.state in (states.COMPLETE, states.PRUNED):
                    self._restore(self._cells(model, data, fraction, trial))
        if self.progress.results:
            self._write()

    def _restore(self, cells: Sequence[Cell]) -> None:
        """Read the results of a trial that ended before."""
        for cell in cells:
            result = self._finished(cell)
            if result is not None:
                self.progress.results[cell] = result
            self._set(cell, "pruned" if result is None else "finished")

    def _is_mine(self, trial: Any) -> bool:
        """Whether a trial belongs to this folder; others may share the storage."""
        return bool(trial.user_attrs["folder"] == str(self.folder.absolute()))

    def _missing(self, study: Any) -> int:
        """Count the trials that are still to be drawn."""
        return self.search.num_trials - len({name_of(trial) for trial in study.get_trials(deepcopy=False)} - {None})

    def _draw(self) -> _Trial | None:
        """Draw a trial of the first study that has not all of them."""
        waiting = (import_optuna().trial.TrialState.WAITING,)
        for (model, data, fraction), study in self._studies.items():
            missing = self._missing(study)
            if missing > 0 or study.get_trials(deepcopy=False, states=waiting):
                number = self.search.num_trials - missing
                trial = self.search.ask(study, number)
                if name_of(trial) is None:  # a trial that is lost before this is drawn again
                    trial.set_user_attr("folder", str(self.folder.absolute()))
                    trial.set_user_attr("name", f"trial_{number:03}")
                return _Trial(trial, study, self._cells(model, data, fraction, trial))
        return None

    def _cells(self, model: str, data: str, fraction: float, trial: Any) -> list[Cell]:
        part = self.grid.variants[model]
        name = f"{model}-{name_of(trial)}"
        return [self.grid.cell(name, part, data, seed, fraction, trial.params) for seed in self.grid.seeds]

    def _scores(self, cell: Cell) -> list[float]:
        """Read the validation scores of a cell so far, one per validation; the file may be being written.

        Those from before an interruption are in files of their own, and what was repeated after it counts once.
        """
        folder = self.cell_folder(cell)
        before = sorted(folder.glob("metrics.part_*.csv"), key=lambda path: (len(path.name), path.name))
        found: dict[tuple[str | None, str | None], str | None] = {}
        for path in (*before, folder / METRICS):
            with suppress(OSError, csv.Error), path.open(encoding="utf-8", newline="") as file:
                rows = (row for row in csv.DictReader(file) if row.get(self.search.monitor))
                found.update({(row.get("epoch"), row.get("step")): row[self.search.monitor] for row in rows})
        scores = []
        for value in filter(None, found.values()):
            with suppress(ValueError):
                scores.append(float(value))
        return scores


def name_of(trial: Any) -> str | None:
    """Return the name of a trial; a repetition has that of the trial that it repeats."""
    name: str | None = trial.user_attrs.get("name")
    return name

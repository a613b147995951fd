"""The progress of a grid: the state of each cell, the results so far, elapsed and remaining time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from mner.analysis.results import Result
from mner.experiments.grid import Cell

State = Literal["waiting", "running", "pruned", "finished", "failed"]


@dataclass
class Progress:
    """The progress of a grid.

    Args:
        states: State of each cell; a search stops a hopeless cell, which is then ``pruned``.
        num_jobs: Cells that run at a time.
        results: Results of the cells that are finished or failed.
        started: When the running cells were started, by ``time.monotonic``.
        begun: When the grid was started, by the same clock.
    """

    states: dict[Cell, State]
    num_jobs: int = 1
    results: dict[Cell, Result] = field(default_factory=dict)
    started: dict[Cell, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    def set_state(self, cell: Cell, state: State) -> None:
        """Change the state of a cell."""
        self.states[cell] = state
        self.started.pop(cell, None)
        if state == "running":
            self.started[cell] = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the grid was started."""
        return time.monotonic() - self.begun

    def remaining(self) -> float | None:
        """Estimate the seconds to the end from the mean time of the finished cells; ``None`` before the first."""
        times = [result.seconds for result in self.results.values() if result.status == "finished" and result.seconds]
        if not times:
            return None
        mean, now = sum(times) / len(times), time.monotonic()
        waiting = mean * sum(state == "waiting" for state in self.states.values())
        running = [max(0.0, mean - (now - start)) for start in list(self.started.values())]
        return max([(waiting + sum(running)) / self.num_jobs, *running])

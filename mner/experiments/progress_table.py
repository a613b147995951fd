"""The progress of a grid as a table on the screen."""

from __future__ import annotations

import time
from collections import Counter

from rich.table import Table
from rich.text import Text

from mner.analysis.spread import Spread
from mner.experiments.grid import Cell
from mner.experiments.progress import Progress, State
from mner.terminal import printable


def progress_table(progress: Progress) -> Table:
    """F1 of the finished cells, mean and standard deviation over seeds.

    A row is a model and a fraction, a column a data set.

    Args:
        progress: The progress.
    """
    cells = list(progress.states)
    data_sets = list(dict.fromkeys(cell.data for cell in cells))
    counts = Counter(progress.states.values())
    table = Table(
        caption=f"{_caption(counts, len(cells))}\n{clock(progress)}",
        caption_justify="left",
    )
    for name in ("model", "fraction"):
        table.add_column(name)
    for name in data_sets:
        table.add_column(Text(printable(name)), justify="right")
    for model, fraction in dict.fromkeys((cell.model, cell.fraction) for cell in cells):
        groups = [
            [cell for cell in cells if (cell.model, cell.fraction, cell.data) == (model, fraction, data)]
            for data in data_sets
        ]
        table.add_row(Text(printable(model)), f"{fraction:g}", *(_summary(group, progress) for group in groups))
    return table


def _summary(cells: list[Cell], progress: Progress) -> str:
    scores = [100 * progress.results[cell].metrics["f1"] for cell in cells if progress.states[cell] == "finished"]
    running = sum(progress.states[cell] == "running" for cell in cells)
    failed = sum(progress.states[cell] == "failed" for cell in cells)
    score = f"{Spread.of(scores):.2f} " if scores else ""
    marks = [f"{len(scores)}/{len(cells)}", f"{running} running" * bool(running), f"{failed} failed" * bool(failed)]
    return f"{score}({', '.join(mark for mark in marks if mark)})"


def clock(progress: Progress) -> str:
    """Say how long the grid has been running, what it is running and how long it will run."""
    parts = [f"elapsed {_duration(progress.elapsed())}"]
    remaining = progress.remaining()
    if remaining is not None and round(remaining):  # 0 where cells run for longer than those before
        parts.append(f"about {_duration(remaining)} remaining")
    now = time.monotonic()
    running = [
        f"{cell.model}/{cell.data}/seed {cell.seed} for {_duration(now - start)}"
        for cell, start in list(progress.started.items())  # which the runner's thread changes meanwhile
    ]
    return "; ".join(parts + [f"running {', '.join(running)}"] * bool(running))


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _caption(counts: Counter[State], total: int) -> str:
    shown: list[State] = ["finished", "running", "pruned", "failed"]
    states = [f"{counts[state]} {state}" for state in shown if counts[state]]
    return f"{total} cell{'s' * (total != 1)}: {', '.join(states) or 'none started'}"

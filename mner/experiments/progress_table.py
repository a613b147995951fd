"""How far a grid is, as a table on the screen."""

from __future__ import annotations

from collections import Counter

from rich.table import Table

from mner.analysis.spread import Spread
from mner.experiments.grid import Cell
from mner.experiments.runner import Progress, State


def progress_table(progress: Progress, title: str = "") -> Table:
    """F1 of the finished cells, mean and standard deviation over seeds.

    A row is a model and a fraction, a column a data set.

    Args:
        progress: How far the grid is.
        title: Above the table.
    """
    cells = list(progress.states)
    data_sets = list(dict.fromkeys(cell.data for cell in cells))
    counts = Counter(progress.states.values())
    table = Table(title=title, title_justify="left", caption=_caption(counts, len(cells)), caption_justify="left")
    for name in ("model", "fraction"):
        table.add_column(name)
    for name in data_sets:
        table.add_column(name, justify="right")
    for model, fraction in dict.fromkeys((cell.model, cell.fraction) for cell in cells):
        groups = [
            [cell for cell in cells if (cell.model, cell.fraction, cell.data) == (model, fraction, data)]
            for data in data_sets
        ]
        table.add_row(model, f"{fraction:g}", *(_summary(group, progress) for group in groups))
    return table


def _summary(cells: list[Cell], progress: Progress) -> str:
    scores = [100 * progress.results[cell].metrics["f1"] for cell in cells if progress.states[cell] == "finished"]
    running = sum(progress.states[cell] in ("running", "elsewhere") for cell in cells)
    failed = sum(progress.states[cell] == "failed" for cell in cells)
    score = f"{Spread.of(scores):.2f} " if scores else ""
    marks = [f"{len(scores)}/{len(cells)}", f"{running} running" * bool(running), f"{failed} failed" * bool(failed)]
    return f"{score}({', '.join(mark for mark in marks if mark)})"


def _caption(counts: Counter[State], total: int) -> str:
    shown: list[State] = ["finished", "running", "elsewhere", "failed"]
    states = [f"{counts[state]} {state}" for state in shown if counts[state]]
    return f"{total} cells: {', '.join(states) or 'none begun'}"

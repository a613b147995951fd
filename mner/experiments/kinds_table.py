"""F1 a kind of mention, the models of a grid beside one another: does the image help where only it can tell?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from mner.analysis.spread import Spread
from mner.experiments.grid import Cell
from mner.experiments.progress import Progress
from mner.terminal import printable


def kinds_tables(progress: Progress) -> list[Table]:
    """F1 of the finished cells on each kind of mention, mean and standard deviation over seeds.

    Args:
        progress: How far the grid is.

    Returns:
        A table a data set that records kinds, in which a row is a kind and a column a model and a fraction.
    """
    finished = {
        cell: progress.results[cell].metrics["kinds"]
        for cell, state in progress.states.items()
        if state == "finished" and progress.results[cell].metrics.get("kinds")
    }
    return [
        _table(data, {cell: kinds for cell, kinds in finished.items() if cell.data == data})
        for data in dict.fromkeys(cell.data for cell in finished)
    ]


def _table(data: str, kinds: Mapping[Cell, Mapping[str, Any]]) -> Table:
    table = Table(title=f"F1 by kind of mention, {data}", title_justify="left")
    table.add_column("kind of mention")
    columns = list(dict.fromkeys((cell.model, cell.fraction) for cell in kinds))
    for model, fraction in columns:
        table.add_column(
            model if fraction == 1 else f"{model}, {fraction:g} of the posts", justify="right", overflow="fold"
        )
    for kind in dict.fromkeys(kind for scores in kinds.values() for kind in scores):
        cells = (
            [100 * scores[kind]["f1"] for cell, scores in kinds.items() if (cell.model, cell.fraction) == column]
            for column in columns
        )
        table.add_row(escape(printable(kind)), *(f"{Spread.of(scores):.2f}" for scores in cells))
    return table

"""Scores of a grid broken down by what a data set records of its mentions, models side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from mner.analysis.spread import Spread
from mner.experiments.grid import Cell
from mner.experiments.progress import Progress
from mner.terminal import printable


def breakdown_tables(progress: Progress) -> list[Table]:
    """F1 of the finished cells per group of mentions, mean and standard deviation over seeds.

    A breakdown is any entry of a cell's metrics that maps groups to their scores, for example
    ``{"kind_of_mention": {"plain": {"f1": 0.5}}}``; they depend on the data set's metadata.

    Args:
        progress: The progress of the grid.

    Returns:
        A table per data set and breakdown: a row per group, a column per model and fraction.
    """
    found: dict[tuple[str, str], dict[Cell, Mapping[str, Any]]] = {}
    for cell, state in progress.states.items():
        if state == "finished":
            for name, groups in progress.results[cell].metrics.items():
                if isinstance(groups, Mapping):
                    found.setdefault((cell.data, name), {})[cell] = groups
    return [_table(data, name.replace("_", " "), scores) for (data, name), scores in found.items()]


def _table(data: str, name: str, scores: Mapping[Cell, Mapping[str, Any]]) -> Table:
    table = Table(title=f"F1 by {escape(printable(f'{name}, {data}'))}", title_justify="left")
    table.add_column(escape(printable(name)))
    columns = list(dict.fromkeys((cell.model, cell.fraction) for cell in scores))
    for model, fraction in columns:
        table.add_column(
            model if fraction == 1 else f"{model}, {fraction:g} of the posts", justify="right", overflow="fold"
        )
    for group in dict.fromkeys(group for groups in scores.values() for group in groups):
        cells = (
            [
                100 * groups[group]["f1"]
                for cell, groups in scores.items()
                if (cell.model, cell.fraction) == column and group in groups
            ]
            for column in columns
        )
        table.add_row(escape(printable(group)), *(f"{Spread.of(each):.2f}" if each else "" for each in cells))
    return table

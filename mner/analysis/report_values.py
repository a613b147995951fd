"""How the values of a report are written in its sentences and tables."""

from __future__ import annotations

import re

import pandas as pd

from mner.analysis.report import Row
from mner.analysis.spread import Spread

_NUMBER = re.compile(r"(< )?[+-]?[\d,]+(\.\d+)?%?( (±|to) [+-]?[\d,.]+| \([\d,/]+\))?|")


def numeric_columns(table: pd.DataFrame) -> list[bool]:
    """Which columns contain only numbers, with or without a deviation, an interval or a count; they are aligned right.

    Example:
        >>> numeric_columns(pd.DataFrame({"model": ["1.0.1"], "F1": ["80.10 ± 0.20"], "p": ["< 0.001"], "n": [""]}))
        [False, True, True, False]
    """
    columns = ([str(cell) for cell in table.iloc[:, place]] for place in range(table.shape[1]))
    return [any(cells) and all(map(_NUMBER.fullmatch, cells)) for cells in columns]


def is_repeated(row: Row) -> bool:
    """Whether every system of a comparison was trained more than once."""
    seeds = row["seeds"]
    return bool(min(seeds if isinstance(seeds, list) else [seeds]) > 1)


def p_value(value: float) -> str:
    """A probability with three decimals."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def percent(row: Row) -> str:
    """The fraction of the training posts that was used."""
    return f"{row['fraction']:.0%}"


def spread(value: Row | None) -> str:
    """Mean and standard deviation in percent."""
    return f"{Spread(value['mean'], value['deviation']).percent():.2f}" if value else ""


def quoted(model: str) -> str:
    """The name of a model in a sentence."""
    return f"“{model}”"


def words(name: str) -> str:
    """The name of an ablation in words."""
    return name.replace("_", " ")

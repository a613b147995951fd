"""How the values of a report are written in its sentences and tables."""

from __future__ import annotations

from mner.analysis.report import Row
from mner.analysis.spread import Spread


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

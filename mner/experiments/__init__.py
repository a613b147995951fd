"""Grids of experiments: models x data sets x seeds x training fractions, each cell one ``mner fit``."""

from mner.experiments.grid import Cell, Grid, Part
from mner.experiments.runner import GridRunner

__all__ = ["Cell", "Grid", "GridRunner", "Part"]

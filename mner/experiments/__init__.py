"""Grids of experiments and searches; each cell is one ``mner fit``."""

from mner.experiments.engine import Engine
from mner.experiments.grid import Cell, Grid, Part
from mner.experiments.local_engine import LocalEngine
from mner.experiments.ray_engine import RayEngine
from mner.experiments.runner import GridRunner
from mner.experiments.search import Range, Search
from mner.experiments.search_runner import SearchRunner

__all__ = [
    "Cell",
    "Engine",
    "Grid",
    "GridRunner",
    "LocalEngine",
    "Part",
    "Range",
    "RayEngine",
    "Search",
    "SearchRunner",
]

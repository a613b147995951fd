"""Reporting many problems in constant memory: the first ones are shown, all are counted."""

from __future__ import annotations

from collections.abc import Callable

from mner.terminal import printable

MAX_SHOWN = 10


class BoundedReport:
    """Shows the first problems of a kind and counts all of them.

    Args:
        show: Called with each line to show, for example ``print``.
        what: The kind of problem, for the closing line, for example ``"bad lines"``.
        max_shown: Maximum number of problems shown.
    """

    def __init__(self, show: Callable[[str], object], what: str, max_shown: int = MAX_SHOWN) -> None:
        self.count = 0
        self._show = show
        self._what = what
        self._max_shown = max_shown

    def __call__(self, problem: object) -> None:
        """Count a problem, and show it if it is among the first."""
        self.count += 1
        if self.count <= self._max_shown:
            self._show(printable(problem))
        elif self.count == self._max_shown + 1:
            self._show(f"further {self._what} are only counted")

"""Mean and standard deviation over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import NamedTuple


class Spread(NamedTuple):
    """Mean and sample standard deviation.

    Args:
        mean: The mean.
        deviation: The standard deviation, undefined (``None``) for a single value.

    Example:
        >>> f"{Spread.of([80.0, 90.0]):.2f}", f"{Spread.of([80.0]):.1f}", f"{Spread.of([0.8, 0.9]).percent():.2f}"
        ('85.00 ± 7.07', '80.0', '85.00 ± 7.07')
    """

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Compute them.

        Raises:
            statistics.StatisticsError: If there is no value.
        """
        values = list(values)
        return cls(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)

    def percent(self) -> Spread:
        """Convert fractions to percent."""
        return Spread(100 * self.mean, None if self.deviation is None else 100 * self.deviation)

    def __format__(self, spec: str) -> str:
        """Print ``mean ± deviation``, each by ``spec``."""
        return f"{self.mean:{spec}}" + ("" if self.deviation is None else f" ± {self.deviation:{spec}}")

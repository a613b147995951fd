"""What filling a feature store did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mner.terminal import printable

NAMED = 10
"""Maximum number of bad images that are named."""


@dataclass
class FillReport:
    """Counts of images by outcome.

    Args:
        computed: Images encoded.
        reused: Images whose features were stored already, under this name or another.
        bad: Images that cannot be used, each with the reason.
    """

    computed: int = 0
    reused: int = 0
    bad: dict[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line with the counts, and one for each of the first bad images."""
        lines = [f"{self.computed:,} images computed, {self.reused:,} already stored, {len(self.bad):,} unusable"]
        lines += [printable(reason) for reason in list(self.bad.values())[:NAMED]]
        if len(self.bad) > NAMED:
            lines.append(f"and {len(self.bad) - NAMED:,} more")
        return "\n  ".join(lines)

"""What runs the trainings of an experiment: processes of this machine, or a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LOG_FILE = "log.txt"
COMMAND_FILE = "command.txt"
"""The command of a training that may be resumed."""
LOCK = ".lock"
"""The lock of a folder: of an experiment's by its runner, of a cell's by its training."""


class Ended(NamedTuple):
    """The end of a training.

    Args:
        status: Exit status of its process; 0 is success.
        seconds: How long it ran, without waiting for a free device.
    """

    status: int
    seconds: float


class Job(ABC):
    """A training that was started."""

    @abstractmethod
    def poll(self) -> Ended | None:
        """Return how the training ended, or ``None`` while it is waiting or running."""

    @abstractmethod
    def stop(self) -> None:
        """End the training, and return when it has ended."""


class Engine(ABC):
    """Starts trainings."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """Number of trainings to have started at a time; those that an engine cannot run yet wait in it."""

    @abstractmethod
    def start(self, command: Sequence[str], folder: Path) -> Job:
        """Run ``mner fit``, with its output in ``log.txt`` of its run folder.

        A training of the same command that was killed is resumed from its checkpoint; the folder is emptied otherwise.

        Raises:
            OutputError: If the folder cannot be written.
        """

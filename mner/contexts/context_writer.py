"""The contract of a context writer: questions about posts in, answers out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import torch

from mner.components import Component
from mner.contexts.budget import Budget
from mner.contexts.question import Question
from mner.contexts.reply import Reply


class ContextWriter(Component, ABC):
    """A language model or vision-language model that answers questions about posts, offline of training.

    A subclass implements :meth:`ask`, and sets ``batch_size`` and ``num_parallel`` in its constructor if it answers
    several questions at once. ``budget`` is set by whoever asks; a writer that repeats a request asks it first.
    """

    batch_size: int = 1
    """Maximum number of questions per call of :meth:`ask`."""
    num_parallel: int = 1
    """Number of threads that call :meth:`ask` at the same time."""
    NOT_IN_ANSWERS: ClassVar[tuple[str, ...]] = ("batch_size", "num_parallel")
    """Arguments that do not change answers, so that they are kept when such an argument changes."""

    @cached_property
    def budget(self) -> Budget:
        """The writer's own budget, without limits, until another one is set."""
        return Budget()

    @property
    def identity(self) -> dict[str, Any]:
        """The class and the arguments that determine answers, as plain data: part of the key of each answer."""
        arguments = {name: value for name, value in self._arguments.items() if name not in self.NOT_IN_ANSWERS}
        return {"writer": type(self).__name__, **arguments}

    def move_to(self, device: torch.device) -> None:
        """Move a local model to a device; others do nothing."""

    @abstractmethod
    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """Ask questions.

        Args:
            questions: Up to ``batch_size`` questions.

        Returns:
            A reply per question; one with an ``error`` where there is no answer.

        Raises:
            WriterError: If no question can be answered, for example because the server does not know the model.
        """

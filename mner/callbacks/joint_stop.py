"""Stopping several processes after the same batch."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.exceptions import SIGTERMException


class JointStop(Callback):
    """Lets all processes of a training finish the same batch if any of them receives SIGTERM or Ctrl-C, and then stops.

    Lightning's own handlers act in the middle of a batch. Processes that are elsewhere in the batch then wait for each
    other until they are killed, as SLURM does after 30 seconds, and nothing is saved. A second Ctrl-C does not wait. A
    training in one process keeps its handlers.
    """

    def __init__(self) -> None:
        self._asked: type[BaseException] | None = None
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the handlers of SIGTERM and Ctrl-C."""
        self._asked = None
        if trainer.world_size > 1 and threading.current_thread() is threading.main_thread():
            self._before = {signal.SIGTERM: signal.signal(signal.SIGTERM, self._ask)}
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._ask)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Stop before a batch if a process was asked to."""
        self._stop_if_any_was_asked(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back, and stop before anything that follows the training."""
        self._give_back()
        self._stop_if_any_was_asked(trainer)

    def on_exception(self, *_: Any) -> None:
        """Give the signals back."""
        self._give_back()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = KeyboardInterrupt if number == signal.SIGINT else SIGTERMException
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)

    def _stop_if_any_was_asked(self, trainer: Trainer) -> None:
        if trainer.world_size > 1 and trainer.strategy.reduce_boolean_decision(self._asked is not None, all=False):
            raise self._asked or SIGTERMException

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

"""Stopping several processes after the same batch."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.exceptions import SIGTERMException


class JointStop(Callback):
    """Lets all processes of a training finish the same batch if any of them receives SIGTERM, and then stops them.

    Lightning's own handler communicates in the middle of a batch. Processes that are elsewhere in the batch then wait
    for each other until they are killed, as SLURM does after 30 seconds, and nothing is saved. A training in one
    process keeps Lightning's handler.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the handler of SIGTERM."""
        self._asked = False
        if trainer.world_size > 1 and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._ask)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Stop before a batch if a process was asked to."""
        self._stop_if_any_was_asked(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signal back, and stop before anything that follows the training."""
        self._give_back()
        self._stop_if_any_was_asked(trainer)

    def on_exception(self, *_: Any) -> None:
        """Give the signal back."""
        self._give_back()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def _stop_if_any_was_asked(self, trainer: Trainer) -> None:
        if trainer.world_size > 1 and trainer.strategy.reduce_boolean_decision(self._asked, all=False):
            raise SIGTERMException

    def _give_back(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None

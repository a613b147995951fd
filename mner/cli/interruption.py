"""The checkpoint that a training leaves when it is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException


class InterruptionCheckpoint(Checkpoint):
    """Saves a training that Ctrl-C, a signal or an error cuts off, and removes the file once the training is done.

    Lightning's ``OnExceptionCheckpoint`` would also make every later ``fit`` go on by itself from what lies in the
    folder, and would save a training that fails before its first step.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.saved = False

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save, if there is something to save and every process comes here to do it."""
        everywhere = trainer.world_size == 1 or isinstance(exception, (KeyboardInterrupt, SIGTERMException))
        if trainer.state.fn == TrainerFn.FITTING and trainer.global_step and everywhere:
            trainer.save_checkpoint(self.path)
            self.saved = True

    def on_fit_end(self, trainer: Trainer, *_: Any) -> None:
        """Remove what an earlier interruption left."""
        if trainer.is_global_zero:
            self.path.unlink(missing_ok=True)

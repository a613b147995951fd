"""The checkpoint of interrupted training."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException

from mner.errors import DivergenceError, OutputError


class InterruptionCheckpoint(Checkpoint):
    """Saves training that Ctrl-C, a signal or an error interrupts, and removes the file once training is finished.

    Lightning's ``OnExceptionCheckpoint`` would also make every later ``fit`` resume automatically from a file in the
    folder, and would save training that fails before its first step. Diverged training is not saved.

    Args:
        folder: Where ``interrupted.ckpt`` is written.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.path = Path(folder) / "interrupted.ckpt"
        self.saved = False
        self._stepped = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Broadcast the path of the first process."""
        self.path = trainer.strategy.broadcast(self.path)
        self.saved = self._stepped = False

    def on_train_batch_start(self, *_: Any) -> None:
        """Enable saving from the first step on: before it, a resumed run still has the checkpoint it started from."""
        self._stepped = True

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save, if a step was made and every process reaches this hook."""
        everywhere = trainer.world_size == 1 or isinstance(exception, (KeyboardInterrupt, SIGTERMException))
        if isinstance(exception, DivergenceError) or not everywhere:
            return
        if trainer.state.fn == TrainerFn.FITTING and trainer.global_step and self._stepped:
            with suppress(OutputError):  # a full disk may be what interrupts training, as the original error says
                trainer.save_checkpoint(self.path, weights_only=False)
                self.saved = True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the checkpoint of an earlier interruption."""
        if trainer.is_global_zero:
            self.path.unlink(missing_ok=True)

"""``last.ckpt``: the state of training after its last epoch, from which it resumes."""

from __future__ import annotations

from pathlib import Path

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn


class LastCheckpoint(Checkpoint):
    """Saves the whole training state after each validation, and after each epoch without one.

    ``ModelCheckpoint(save_last=True)`` writes its last checkpoint only when it also saves a new best one, and without
    the optimizer if the best one is saved without it.

    Args:
        folder: Where ``last.ckpt`` is written.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self.path = Path(folder) / "last.ckpt"
        self.saved_step = -1
        """Optimizer step of the last save, -1 before the first."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Broadcast the path of the first process; a new training saves, whatever an earlier one saved."""
        self.path = trainer.strategy.broadcast(self.path)
        self.saved_step = -1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, if the validation is part of training."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, if nothing has been validated since the last step."""
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if trainer.global_step != self.saved_step and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.save_checkpoint(self.path, weights_only=False)
            self.saved_step = trainer.global_step

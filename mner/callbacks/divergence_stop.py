"""Stops training whose loss or weights are no longer finite."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from mner.callbacks.best_checkpoint import BestCheckpoint
from mner.callbacks.last_checkpoint import LastCheckpoint
from mner.errors import DivergenceError

SCALED_PATIENCE = 20
"""Consecutive non-finite losses that a gradient scaler (16-mixed) may need until its scale is low enough."""

CHECK_EVERY = 50
"""Number of steps between two reads of the counter on the device."""


class DivergenceStop(Callback):
    """Raises an error that names the step and the last good checkpoint.

    Losses are checked on the device at each step; the result is read every 50 steps and before each
    validation, so that no step waits for the device. The weights are checked before each validation, hence before any
    checkpoint of an epoch.
    """

    def __init__(self) -> None:
        self._streak: Tensor | None = None
        self._last_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the state of an earlier training run."""
        self._streak = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count consecutive non-finite losses."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if not isinstance(loss, Tensor):
            return
        finite = loss.detach().isfinite().all()
        streak = torch.zeros_like(finite, dtype=torch.long) if self._streak is None else self._streak
        self._streak = torch.where(finite, 0, streak + 1)
        self._last_step = trainer.global_step
        if loss.device.type == "cpu" or (batch_idx + 1) % CHECK_EVERY == 0:
            self._check_loss(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check before the weights are validated and saved."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._check_loss(trainer)
            self._check_weights(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check again, since there may have been no validation."""
        self._check_loss(trainer)
        self._check_weights(trainer, pl_module)

    def _check_loss(self, trainer: Trainer) -> None:
        streak = 0 if self._streak is None else int(self._streak)
        if streak > (SCALED_PATIENCE if trainer.precision == "16-mixed" else 0):
            _fail(trainer, "the loss", self._last_step - streak + 1)

    def _check_weights(self, trainer: Trainer, model: LightningModule) -> None:
        finite = [each.detach().isfinite().all() for each in model.parameters() if each.requires_grad]
        if finite and not torch.stack(finite).all():
            _fail(trainer, "a weight", trainer.global_step)


def _fail(trainer: Trainer, what: str, step: int) -> None:
    callbacks = trainer.checkpoint_callbacks
    last = [each.path for each in callbacks if isinstance(each, LastCheckpoint)]
    best = [each.best_path for each in callbacks if isinstance(each, BestCheckpoint)]
    good = next((path for path in (*last, *best) if path is not None and path.exists()), None)
    saved = f"the last good checkpoint is {good}" if good else "no checkpoint was saved before"
    raise DivergenceError(
        f"training diverged: {what} is NaN or infinite at step {step}; {saved}. Lower the learning rates "
        "(optimization.lr, new_layer_lr, decoder_lr), add warm-up, or clip gradients"
    )

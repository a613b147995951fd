"""The exponential moving average of the weights."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor


class WeightAverage(WeightAveraging):
    """Keeps an exponential moving average of the weights, which is what is validated, tested and saved.

    The decay is raised from 0.1 towards its value over the first steps, so that the untrained weights are forgotten.

    Args:
        decay: Between 0 and 1; the average spans about ``1 / (1 - decay)`` steps.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self._swapped = False
        super().__init__(use_buffers=False, multi_avg_fn=self._average)

    def average_state(self) -> dict[str, Any] | None:
        """The averaged weights, or ``None`` where the model itself holds them: after training and in validation."""
        if self._average_model is None or self._swapped:
            return None
        return self._average_model.module.state_dict()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the average as the model, and the weights in training beside it."""
        if self._average_model is None:
            return
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._swapped:
            average, current = checkpoint["current_model_state"], checkpoint["state_dict"]
            checkpoint["state_dict"], checkpoint["current_model_state"] = average, current

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take both up again, if training goes on."""
        if self._average_model is not None:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the average in the model, also where there was nothing left to train, and let go of it."""
        if self._average_model is not None:
            self._copy_average_to_current(pl_module)
        self._average_model = None

    def _swap_models(self, pl_module: LightningModule) -> None:
        super()._swap_models(pl_module)
        self._swapped = not self._swapped

    def _average(self, averaged: list[Tensor], current: list[Tensor], _: Tensor | int) -> None:
        updates = self._latest_update_step
        decay = min(self.decay, (1 + updates) / (10 + updates))
        with torch.no_grad():
            torch._foreach_lerp_(averaged, current, 1 - decay)

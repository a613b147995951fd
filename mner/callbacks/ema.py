"""Exponential moving average (EMA) of the weights, which is validated and saved instead of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mner.errors import ConfigurationError

KEY = "weights_in_training"
"""Checkpoint key of the trainable weights without averaging; its ``state_dict`` contains the average."""


class EMA(Callback):
    """Averages the trainable weights after optimizer steps; validation and checkpoints see the average.

    The decay is 0 in the first step and ``(1 + t) / (10 + t)`` after t steps, until that exceeds its value, so that the
    initial weights are forgotten. Unlike
    Lightning's ``EMAWeightAveraging``, which copies the whole model, this neither averages frozen weights nor saves
    them twice. Averages of half-precision weights are kept in float32.

    Args:
        decay: In [0, 1); the average spans about ``1 / (1 - decay)`` steps.
        every_n_steps: Steps from one update to the next, which decays the average by as many steps at once: an update
            reads and writes all weights.
    """

    def __init__(self, decay: float, every_n_steps: int = 1) -> None:
        self.decay = decay
        self.every_n_steps = every_n_steps
        self._step = 0
        self._weights: list[Tensor] = []
        self._average: list[Tensor] = []  # during validation, the weights in training
        self._place: dict[str, int] = {}
        self._swapped = False
        self._restored: Mapping[str, Tensor] | None = None

    def averaged(self, state_dict: dict[str, Any]) -> dict[str, Any]:
        """Return a state dict with the average instead of the weights; unchanged where the model already has it."""
        if not self._average or self._swapped:
            return state_dict
        average = {name: self._average[place].to(state_dict[name].dtype) for name, place in self._place.items()}
        return {name: average.get(name, value) for name, value in state_dict.items()}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the average from the weights, or continue that of a checkpoint.

        Raises:
            ConfigurationError: If the strategy shards the weights.
        """
        if isinstance(trainer.strategy, (DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy)):
            raise ConfigurationError(
                f"EMA needs all weights in each process, but {type(trainer.strategy).__name__} shards them; "
                "set optimization.ema_decay to 0, or train with the strategy ddp"
            )
        trained = [each for each in pl_module.parameters() if each.requires_grad]
        index = {id(each): place for place, each in enumerate(trained)}
        named = pl_module.named_parameters(remove_duplicate=False)  # tied weights have several names
        self._place = {name: index[id(each)] for name, each in named if id(each) in index}
        self._weights = [each.detach() for each in trained]
        self._average = [torch.empty_like(each, dtype=_precise(each.dtype)).copy_(each) for each in self._weights]
        if self._restored is not None:
            for name, place in self._place.items():
                if name in self._restored:
                    self._weights[place].copy_(self._restored[name])
            self._restored = None

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Update the average after the first optimizer step and after every so many."""
        step = trainer.global_step
        if step <= self._step or (self._step and step // self.every_n_steps == self._step // self.every_n_steps):
            return
        # The first update discards the initial weights.
        decays = (min(self.decay, (1 + each) / (10 + each)) for each in range(self._step, step))
        decay = math.prod(decays) if self._step else 0.0
        weights = [new.to(old.dtype) for new, old in zip(self._weights, self._average, strict=True)]
        if weights:
            get_ema_multi_avg_fn(decay)(self._average, weights, self._step)
        self._step = step

    def on_validation_epoch_start(self, *_: Any) -> None:
        """Swap the average into the model."""
        if self._average:
            self._swap()

    def on_validation_epoch_end(self, *_: Any) -> None:
        """Swap the weights in training back."""
        if self._average:
            self._swap()

    def on_fit_end(self, *_: Any) -> None:
        """Leave the average in the model."""
        for weight, average in zip(self._weights, self._average, strict=True):
            weight.copy_(average)
        self._weights, self._average = [], []

    def state_dict(self) -> dict[str, Any]:
        """Save the step of the last update."""
        return {"step": self._step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the step of the last update."""
        self._step = state_dict["step"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the average as the model's weights, and the trainable weights separately."""
        if not self._average:
            return
        state_dict = checkpoint["state_dict"]
        current = self._average if self._swapped else self._weights
        first_names = {place: name for name, place in reversed(self._place.items())}
        checkpoint[KEY] = {name: current[place].to(state_dict[name].dtype) for place, name in first_names.items()}
        checkpoint["state_dict"] = self.averaged(state_dict)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Store the weights in training until the model is on its device."""
        self._restored = checkpoint.get(KEY)

    def _swap(self) -> None:
        for weight, other in zip(self._weights, self._average, strict=True):
            kept = weight.clone()
            weight.copy_(other)
            other.copy_(kept)
        self._swapped = not self._swapped


def _precise(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype

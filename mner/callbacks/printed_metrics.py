"""Prints the metrics of a stand-alone validation, for models without a table of scores."""

from __future__ import annotations

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_only


class PrintedMetrics(Callback):
    """Prints one line per metric after ``Trainer.validate``, and nothing during training."""

    @rank_zero_only
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            ablation = getattr(getattr(trainer, "datamodule", None), "ablation", None)
            for name, value in sorted(trainer.callback_metrics.items()):
                print(f"{name}: {float(value):.4f}{f' ({ablation})' if ablation else ''}")

"""Early stopping whose mistakes in the monitored metric are one line."""

from __future__ import annotations

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping

from mner.callbacks.best_checkpoint import check_logged


class EarlyStop(EarlyStopping):
    """Lightning's ``EarlyStopping``, which otherwise raises a ``RuntimeError`` if nothing logs the metric."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the training, if it is time.

        Raises:
            ConfigurationError: If ``strict``, and the metric is not logged.
        """
        if self.strict and not trainer.sanity_checking:
            check_logged(self.monitor, trainer)
        super().on_validation_end(trainer, pl_module)

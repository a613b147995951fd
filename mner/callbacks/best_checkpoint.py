"""``best.ckpt``: the weights of the best epoch by a monitored metric."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from mner.errors import ConfigurationError
from mner.files import atomic_write

NAME = "best.ckpt"
SMALLER_IS_BETTER = ("loss", "perplexity", "error", "ece", "brier")


class BestCheckpoint(ModelCheckpoint):
    """Lightning's ``ModelCheckpoint`` with a fixed file name and only the weights, ready for inference.

    With ``save_top_k`` of 1 the file is ``best.ckpt``. Otherwise each file is named by epoch and step, and
    ``best.ckpt`` is the best of them at any time.

    Args:
        dirpath: The folder.
        monitor: The metric, as it is logged.
        mode: Whether it is minimised or maximised; by default minimised for losses, perplexities and errors.
        save_top_k: Number of checkpoints that are kept; -1 keeps all, 0 none.
        save_weights_only: Leave out optimizer, schedule and progress. Training resumes from ``last.ckpt``.
        filename: Name of the files without suffix, if different from the above.
        auto_insert_metric_name: Put the name of each metric before its value in ``filename``.
        enable_version_counter: Number files of one name instead of replacing them.
        save_on_train_epoch_end: Save after the epoch, not after its validation; by default unless ``monitor`` is a
            metric of the validation. ``last.ckpt`` is written after the validation and records the best value so far.
        kwargs: Arguments of ``ModelCheckpoint``.
    """

    def __init__(
        self,
        dirpath: str | Path | None = None,
        monitor: str | None = "val/f1",
        mode: Literal["min", "max"] | None = None,
        save_top_k: int = 1,
        save_weights_only: bool = True,
        filename: str | None = None,
        auto_insert_metric_name: bool = False,
        enable_version_counter: bool = False,
        save_on_train_epoch_end: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if save_on_train_epoch_end is None and (monitor or "").startswith("val/"):
            save_on_train_epoch_end = False
        self.keeps_one = filename is None and save_top_k == 1
        super().__init__(
            dirpath,
            filename=filename or ("best" if save_top_k == 1 else "epoch={epoch}-step={step}"),
            monitor=monitor,
            mode=mode or mode_of(monitor or ""),
            save_top_k=save_top_k,
            save_weights_only=save_weights_only,
            auto_insert_metric_name=auto_insert_metric_name,
            enable_version_counter=enable_version_counter,
            save_on_train_epoch_end=save_on_train_epoch_end,
            **kwargs,
        )
        self._copied: tuple[str, int] | None = None

    @property
    def best_path(self) -> Path | None:
        """The best checkpoint, ``None`` where none was saved."""
        if not self.best_model_path:
            return None
        best = Path(self.best_model_path)
        return best if self.keeps_one else best.with_name(NAME)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save, if due after this step."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._copy_best(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, if due after this epoch."""
        if self.monitor is None or self.monitor in trainer.callback_metrics:  # else nothing has been validated yet
            super().on_train_epoch_end(trainer, pl_module)
        self._copy_best(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, if due after this validation.

        Raises:
            ConfigurationError: If the metric is not logged.
        """
        if not trainer.sanity_checking and self.monitor is not None:
            check_logged(self.monitor, trainer)
        super().on_validation_end(trainer, pl_module)
        self._copy_best(trainer)

    def _copy_best(self, trainer: Trainer) -> None:
        """Make ``best.ckpt`` the best of several: a hard link where the file system supports them, else a copy."""
        if self.keeps_one or not self.best_model_path or not trainer.is_global_zero:
            return
        best = Path(self.best_model_path)
        found = (str(best), best.stat().st_mtime_ns)
        if found == self._copied:
            return
        target = best.with_name(NAME)
        partial = best.with_name(f".{NAME}.link")
        try:
            partial.unlink(missing_ok=True)
            os.link(best, partial)
            partial.replace(target)
        except OSError:
            with best.open("rb") as source, atomic_write(target, "wb") as copy:
                shutil.copyfileobj(source, copy)
        self._copied = found


def check_logged(monitor: str, trainer: Trainer) -> None:
    """Check after a validation that a monitored metric was logged.

    Raises:
        ConfigurationError: If it was not; names those that were.
    """
    logged = trainer.callback_metrics
    if monitor not in logged:
        raise ConfigurationError(
            f"the monitored metric {monitor!r} is not logged; choose one of {', '.join(sorted(logged))}"
        )


def mode_of(metric: str) -> Literal["min", "max"]:
    """Infer from its name whether a metric is minimised or maximised.

    Example:
        >>> mode_of("val/loss"), mode_of("val/f1"), mode_of("val/perplexity")
        ('min', 'max', 'min')
    """
    return "min" if metric.rpartition("/")[2].lower().endswith(SMALLER_IS_BETTER) else "max"

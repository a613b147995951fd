"""Usable and unusable images of a run, counted over all processes and reported once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn

from mner.batch import Batch
from mner.callbacks.gathering import gathered
from mner.terminal import printable

MAX_NAMED = 10
"""Maximum number of unusable images that a summary lists with their reasons."""


class ImageSummary(Callback):
    """Counts the images that posts refer to and those that could be used, and warns of the others once per run.

    Attributes:
        named: Number of distinct images that the posts of the last run refer to.
        used: Number of these that could be used.
    """

    def __init__(self) -> None:
        self.named = self.used = 0
        self._named: set[Path] = set()
        self._bad: dict[Path, str] = {}

    def _count(self, batch: Any) -> None:
        if not isinstance(batch, Batch) or batch.image_mask is None:
            return
        for path, error in zip(batch.image_paths, batch.image_errors, strict=True):
            if path is not None:
                self._named.add(path)
                if error is not None:
                    self._bad[path] = error

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Count the images of a batch."""
        self._count(batch)

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any) -> None:
        """Count the images of a batch."""
        self._count(batch)

    def on_test_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any) -> None:
        """Count the images of a batch."""
        self._count(batch)

    def on_predict_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any) -> None:
        """Count the images of a batch."""
        self._count(batch)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report."""
        self.summarize()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, unless the validation is part of training."""
        if trainer.state.fn != "fit":
            self.summarize()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report."""
        self.summarize()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report."""
        self.summarize()

    def summarize(self) -> None:
        """Sum the counts of all processes, warn of unusable images in the first one, and reset."""
        named, bad = set(gathered([*self._named])), dict(gathered([*self._bad.items()]))
        self.named, self.used = len(named), len(named) - len(bad)
        self._named, self._bad = set(), {}
        if bad:
            shown = [bad[path] for path in sorted(bad)[:MAX_NAMED]]
            more = [f"and {len(bad) - MAX_NAMED:,} more"] if len(bad) > MAX_NAMED else []
            head = f"{len(bad):,} of {len(named):,} images could not be used and are left out"
            rank_zero_warn("\n  ".join(map(printable, [head, *shown, *more])))

"""The record of a training in its run folder: ``config.yaml``, ``environment.json``, curves, hyper-parameters."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import yaml
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.loggers.logger import DummyLogger

from mner.analysis.run_settings import ENVIRONMENT_FILE
from mner.cli.environment import environment
from mner.files import atomic_write
from mner.paths import is_there
from mner.post_json import to_json
from mner.terminal import printable

NOT_RECORDED = ("ckpt_path", "run_folder", "resume", "weights_only", "pretraining", "ablations")
"""Options that describe one run; they are left out, so that the config can be given to any command."""


class RunRecord(Callback):
    """Records a training just before its first step; a run that is refused earlier leaves the folder unchanged.

    Args:
        config: The options of the command, as plain data.
        folder: The run folder, whatever loggers are used.
        own_loggers: Log to a CSV file and to TensorBoard in the run folder, since the user named no logger.
    """

    def __init__(self, config: dict[str, Any], folder: Path, own_loggers: bool) -> None:
        self.config = {name: value for name, value in config.items() if name not in NOT_RECORDED}
        self.folder = folder
        self.own_loggers = own_loggers

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Use a logger that writes nothing until the first step: some callbacks refuse to run without one."""
        if self.own_loggers and stage == "fit":
            trainer.loggers = [DummyLogger()]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the config, put the curves of an earlier part aside, and log the hyper-parameters."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        if trainer.is_global_zero:
            with atomic_write(self.folder / "config.yaml") as file:
                yaml.safe_dump(self.config, file, sort_keys=False, allow_unicode=True)
            with atomic_write(self.folder / ENVIRONMENT_FILE) as file:
                file.write(to_json(environment(trainer), indent=2) + "\n")
        if self.own_loggers:
            if trainer.is_global_zero:
                self._keep_metrics(trainer)
            place: Any = {"save_dir": str(self.folder), "name": "", "version": ""}
            trainer.loggers = [CSVLogger(**place), TensorBoardLogger(**place)]
        for logger in trainer.loggers:
            logger.log_hyperparams({name: self.config[name] for name in ("model", "data", "trainer")})

    def _keep_metrics(self, trainer: Trainer) -> None:
        """Put aside the curves of an earlier part of the training, which the logger would delete."""
        file = self.folder / "metrics.csv"
        if is_there(file):
            names = (self.folder / f"metrics.part_{part}.csv" for part in count(1))
            kept = file.rename(next(name for name in names if not is_there(name)))
            trainer.print(printable(f"the metrics logged before are in {kept}"))

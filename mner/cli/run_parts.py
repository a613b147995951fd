"""The parts of a trainer that a run adds to those of the user: callbacks, plugins, loggers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning import Callback
from pytorch_lightning.plugins.io import CheckpointIO

from mner.callbacks import (
    AtomicCheckpointIO,
    BestCheckpoint,
    EarlyStop,
    EpochSummary,
    InterruptionCheckpoint,
    LastCheckpoint,
    PredictionsWriter,
    PrintedMetrics,
    StoredImageFeatures,
)
from mner.data.ablations import check_ablations
from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule
from mner.training.module import TrainingModule


@dataclass
class RunParts:
    """Callbacks and plugins of a run.

    Args:
        callbacks: The user's, then those of the run.
        plugins: The user's; checkpoints are written atomically unless one of these writes them.
        best: Which of the callbacks chooses the checkpoint that is scored; ``None`` if checkpointing is off.
        interruption: Which of them saves an interrupted training.
    """

    callbacks: list[Callback]
    plugins: list[Any]
    best: BestCheckpoint | None
    interruption: InterruptionCheckpoint


def run_parts(built: Namespace, folder: Path, model: TrainingModule, keeps_last: bool) -> RunParts:
    """Assemble the parts of a run.

    Args:
        built: Options of the command, instantiated.
        folder: The run folder.
        model: The model that is trained or scored.
        keeps_last: Whether ``last.ckpt`` is written.

    Raises:
        ConfigurationError: If a pre-training, which finds no entities, is to be scored under ablations, or an ablation
            would change nothing.
    """
    if "checkpoint" in built and built.ablations:
        if not isinstance(model, FusionModule):
            raise ConfigurationError(
                "--ablations are of models that find entities, and this is a pre-training; leave them out"
            )
        check_ablations(built.ablations, model.preprocessor.image_transform)
    plugins = _list(built.trainer.plugins)
    if not any(isinstance(each, CheckpointIO) for each in plugins):
        plugins.append(AtomicCheckpointIO())
    interruption = InterruptionCheckpoint(folder)
    callbacks = _list(built.trainer.callbacks)
    best: BestCheckpoint | None = None
    if "checkpoint" in built and isinstance(built.checkpoint, BestCheckpoint):
        callbacks.append(EpochSummary(folder / "train.log"))
        if built.early_stopping and built.early_stopping.patience is not None:
            # Checked after validation only: an epoch without one is not an error.
            callbacks.append(EarlyStop(**vars(built.early_stopping), check_on_train_epoch_end=False))
        if built.trainer.enable_checkpointing is not False:
            best = built.checkpoint
            callbacks += [best, *([LastCheckpoint(folder)] if keeps_last else []), interruption]
    if built.feature_store:
        callbacks.append(StoredImageFeatures(built.feature_store, built.half_precision_features))
    threshold = built.get("threshold", 0.0)
    callbacks.append(PredictionsWriter(folder, threshold) if isinstance(model, FusionModule) else PrintedMetrics())
    return RunParts(callbacks, plugins, best, interruption)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]

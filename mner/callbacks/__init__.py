"""Callbacks: what ``mner fit`` adds to Lightning, also for trainers built in Python."""

from __future__ import annotations

from pathlib import Path

from pytorch_lightning import Callback

from mner.callbacks.atomic_checkpoint_io import AtomicCheckpointIO
from mner.callbacks.best_checkpoint import BestCheckpoint
from mner.callbacks.divergence_stop import DivergenceStop
from mner.callbacks.early_stop import EarlyStop
from mner.callbacks.ema import EMA
from mner.callbacks.epoch_summary import EpochSummary
from mner.callbacks.exact_resumption import ExactResumption
from mner.callbacks.image_summary import ImageSummary
from mner.callbacks.interruption_checkpoint import InterruptionCheckpoint
from mner.callbacks.joint_stop import JointStop
from mner.callbacks.last_checkpoint import LastCheckpoint
from mner.callbacks.predictions_writer import PredictionsWriter
from mner.callbacks.printed_metrics import PrintedMetrics
from mner.callbacks.stored_features import StoredImageFeatures

__all__ = [
    "EMA",
    "AtomicCheckpointIO",
    "BestCheckpoint",
    "DivergenceStop",
    "EarlyStop",
    "EpochSummary",
    "ExactResumption",
    "ImageSummary",
    "InterruptionCheckpoint",
    "JointStop",
    "LastCheckpoint",
    "PredictionsWriter",
    "PrintedMetrics",
    "StoredImageFeatures",
    "default_callbacks",
]


def default_callbacks(folder: str | Path, monitor: str = "val/f1") -> list[Callback]:
    """Build the callbacks of ``mner fit``, which write to one run folder.

    ``mner fit`` also has :class:`EarlyStop`, with the arguments of Lightning's ``EarlyStopping``, and the plugin
    :class:`AtomicCheckpointIO`: ``Trainer(plugins=[AtomicCheckpointIO()])``. A model adds :class:`ImageSummary`,
    :class:`DivergenceStop`, :class:`JointStop`, :class:`ExactResumption` and, with an ``ema_decay``, :class:`EMA` by
    itself.

    Args:
        folder: The run folder.
        monitor: The metric that selects ``best.ckpt``.
    """
    return [
        EpochSummary(Path(folder) / "train.log"),
        PredictionsWriter(folder),
        BestCheckpoint(folder, monitor),
        LastCheckpoint(folder),
        InterruptionCheckpoint(folder),
    ]

"""Loading what was trained: a checkpoint to a model, or to a tagger of new posts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mner.fusion.base import FusionModule

if TYPE_CHECKING:
    from mner.inference.tagger import Tagger


def load_model(path: str | Path) -> FusionModule:
    """Load the model of a checkpoint, whatever its class, in evaluation mode on the CPU.

    The class is read from the checkpoint and imported, so the module of a class of your own must be importable.

    Raises:
        CheckpointError: If the file is not a checkpoint, or its class cannot be imported or has changed.
    """
    return FusionModule.load_from_checkpoint(path).eval()


def load(path: str | Path, device: str | torch.device = "cpu") -> Tagger:
    """Load a checkpoint as a tagger of new posts.

    Args:
        path: A checkpoint that ``mner fit`` wrote.
        device: Where to run, for example ``cuda``.

    Raises:
        CheckpointError: If the file is not a checkpoint of a tagger.
    """
    from mner.inference.tagger import Tagger

    return Tagger(load_model(path).to(device))

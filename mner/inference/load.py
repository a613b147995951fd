"""Loading what was trained: a checkpoint to a model, or to a tagger of new posts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mner.devices import device_of
from mner.fusion.base import FusionModule
from mner.trust import import_named

if TYPE_CHECKING:
    from mner.inference.tagger import Tagger


def load_model(path: str | Path, modules: Sequence[str] = ()) -> FusionModule:
    """Load the model of a checkpoint, whatever its class, in evaluation mode on the CPU.

    A checkpoint executes nothing: its classes are those of mner, of installed plug-ins, and of modules that are
    imported already or named here.

    Args:
        path: A checkpoint that ``mner fit`` wrote.
        modules: Modules of your own to import first, for example ``["my_fusion"]``.

    Raises:
        CheckpointError: If the file is not a checkpoint or is damaged, or its class is not trusted or has changed.
        ConfigurationError: If a module cannot be imported.
    """
    import_named(modules)
    return FusionModule.load_from_checkpoint(path).eval()


def load(path: str | Path, device: str | torch.device = "cpu", modules: Sequence[str] = ()) -> Tagger:
    """Load a checkpoint as a tagger of new posts.

    Args:
        path: A checkpoint that ``mner fit`` wrote.
        device: Where to run: ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or ``auto`` for a GPU if there is one.
        modules: Modules of your own classes, see :func:`load_model`.

    Raises:
        CheckpointError: If the file is not a checkpoint of a tagger, or its classes are not trusted.
        ConfigurationError: If a module cannot be imported, or there is no such device.
    """
    from mner.inference.tagger import Tagger

    place = device_of(device)  # first: loading takes longer
    return Tagger(load_model(path, modules).to(place))

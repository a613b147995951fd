"""Loading a checkpoint as a model, or as a tagger of new posts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from mner.devices import device_of
from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule
from mner.inference.tagger import Tagger
from mner.text.base_model import given_base
from mner.trust import import_named

Base = str | Path | nn.Module | Tagger
"""A base model of adapters: its name or folder, or a loaded model or tagger that has the same one."""


def load_model(path: str | Path, modules: Sequence[str] = (), base: Base | None = None) -> FusionModule:
    """Load the model of a checkpoint, whatever its class, in evaluation mode on the CPU.

    A checkpoint executes nothing: its classes are those of mner, of installed plugins, and of modules that are
    imported already or named here.

    Args:
        path: A checkpoint that ``mner fit`` wrote.
        modules: Modules of your own to import first, for example ``["my_fusion"]``.
        base: The base model of a checkpoint that contains a LoRA adapter. Needed unless that is in an installed package
            (``pkg://``). With a model or tagger, both share the tensors of the base.

    Raises:
        CheckpointError: If the file is not a checkpoint or is damaged, its class is not trusted or has changed, or its
            adapter belongs to another base model.
        ConfigurationError: If a module cannot be imported, or the checkpoint has no adapter but a base is given.
    """
    import_named(modules)
    with given_base(base.model if isinstance(base, Tagger) else base):
        model = FusionModule.load_from_checkpoint(path).eval()
    if base is not None and getattr(model.text_encoder, "lora", None) is None:
        raise ConfigurationError(f"{path} contains a whole model, which has no base; leave base out")
    return model


def load(
    path: str | Path, device: str | torch.device = "cpu", modules: Sequence[str] = (), base: Base | None = None
) -> Tagger:
    """Load a checkpoint as a tagger of new posts.

    Args:
        path: A checkpoint that ``mner fit`` wrote.
        device: Where to run: ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or ``auto`` for a GPU if there is one.
        modules: Modules of your own classes, see :func:`load_model`.
        base: The base model of a LoRA adapter, see :func:`load_model`: ``mner.load(b, base=mner.load(a))`` keeps one
            encoder in memory.

    Raises:
        CheckpointError: If the file is not a checkpoint of a tagger, or its classes are not trusted.
        ConfigurationError: If a module cannot be imported, a base is given for a checkpoint without one, or there is
            no such device.
    """
    place = device_of(device)  # first: loading takes longer
    return Tagger(load_model(path, modules, base).to(place))

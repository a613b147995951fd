"""Loading a checkpoint as a model, or as a tagger of new posts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mner.devices import device_of
from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule
from mner.inference.ensemble import Ensemble
from mner.inference.tagger import DEFAULTS, Tagger
from mner.inference.tagging_options import TaggingOptions
from mner.model_names import is_model_folder, is_on_hub
from mner.sharing.code import import_code
from mner.sharing.hub import fetch
from mner.text.base_model import given_base, refuse_base, refuse_rounded
from mner.trust import import_named

Base = str | Path | nn.Module | Tagger
"""A base model of adapters: its name or folder, or a loaded model or tagger that has the same one."""


def load_model(
    path: str | Path,
    modules: Sequence[str] = (),
    base: Base | None = None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    trust_remote_code: bool = False,
) -> FusionModule:
    """Load a model, whatever its class, in evaluation mode on the CPU.

    Loading executes nothing: the classes are those of mner, of installed plugins, and of modules that are imported
    already or named here.

    Args:
        path: A checkpoint that ``mner fit`` wrote, a folder that ``model.save_pretrained`` or ``mner export`` wrote, or
            the name of a repository on a model hub, ``user/name``.
        modules: Modules of your own to import first, for example ``["my_fusion"]``.
        base: The base model of a checkpoint that contains a LoRA adapter. Needed unless that is in an installed package
            (``pkg://``). With a model or tagger, both share the tensors of the base.
        revision: A branch, tag or commit of the repository.
        token: An access token of the hub; by default the one that ``hf auth login`` stored, ``False`` for none.
        trust_remote_code: Execute the modules of the model's own classes, from its folder or repository, or from where
            they are installed. Read their code first.

    Raises:
        CheckpointError: If the file is not a checkpoint or is damaged, its class is not trusted or has changed, its
            adapter belongs to another base model, or the hub has no such repository or is not reachable.
        ConfigurationError: If a module cannot be imported, the checkpoint has no adapter but a base is given, or a
            revision is given for a file.
    """
    import_named(modules)
    if isinstance(path, (str, Path)) and is_on_hub(path):
        path = fetch(str(path), revision, token, with_code=trust_remote_code)
    elif revision is not None:
        raise ConfigurationError(f"{path} is a path, which has no revisions; leave revision out")
    if trust_remote_code and is_model_folder(path):
        import_code(Path(path))
    given = base.model if isinstance(base, Tagger) else base
    with given_base(given):
        model = FusionModule.load_from_checkpoint(path).eval()
        refuse_base(model.text_encoder, path, base is not None)
    if isinstance(given, nn.Module):
        refuse_rounded(model, given)
    return model


def load(
    path: str | Path | Sequence[str | Path],
    device: str | torch.device = "cpu",
    modules: Sequence[str] = (),
    base: Base | None = None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    trust_remote_code: bool = False,
    options: TaggingOptions = DEFAULTS,
) -> Tagger:
    """Load a model as a tagger of new posts.

    Args:
        path: A checkpoint that ``mner fit`` wrote, a folder that ``model.save_pretrained`` or ``mner export`` wrote, or
            the name of a repository on a model hub, ``user/name``. Several form an
            :class:`~mner.inference.ensemble.Ensemble`.
        device: Where to run: ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or ``auto`` for a GPU if there is one.
        modules: Modules of your own classes, see :func:`load_model`.
        base: The base model of a LoRA adapter, see :func:`load_model`: ``mner.load(b, base=mner.load(a))`` keeps one
            encoder in memory.
        revision: A branch, tag or commit of the repository.
        token: An access token of the hub, see :func:`load_model`.
        trust_remote_code: Execute the code of the model's own classes, see :func:`load_model`.
        options: Precision, confidences, image features and loading.

    Raises:
        CheckpointError: If it is not the checkpoint of a tagger, its classes are not trusted, or it is not on the hub.
        ConfigurationError: If a module cannot be imported, a base is given for a checkpoint without one, or there is
            no such device.
    """
    place = device_of(device)  # first: loading takes longer
    source: dict[str, Any] = {"revision": revision, "token": token, "trust_remote_code": trust_remote_code}
    paths = [path] if isinstance(path, (str, bytes, Path)) or not isinstance(path, Sequence) else path
    models = [_placed(load_model(each, modules, base, **source), place, device) for each in paths]
    return Tagger(models[0], options) if len(models) == 1 else Ensemble(models, options)


def _placed(model: FusionModule, place: torch.device, asked: str | torch.device) -> FusionModule:
    """Move a model to a device; one in ONNX stays on the CPU."""
    if model.runtime == "torch":
        return model.to(place)
    if place.type != "cpu" and asked != "auto":
        raise ConfigurationError(f"a model in ONNX runs on the CPU, got the device {place}; use cpu or auto")
    return model

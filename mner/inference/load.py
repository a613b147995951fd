"""Loading what was trained: a checkpoint to a model, or to a tagger of new posts."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

import torch

from mner.components import from_config
from mner.errors import CheckpointError
from mner.fusion.base import FusionModule

if TYPE_CHECKING:
    from mner.inference.tagger import Tagger


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of mner; nothing in it is executed (``weights_only=True``).

    Raises:
        CheckpointError: If there is no such file, or it is truncated, or it is not a checkpoint of mner.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}; mner fit prints the path of the one it keeps")
    if not is_zipfile(path):
        raise CheckpointError(f"{path} is no checkpoint, or a truncated one; copy it again, or use another of the run")
    try:
        checkpoint: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, ValueError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint ({str(error).splitlines()[0]}); "
            "copy it again, or use another one of the run"
        ) from error
    parameters = checkpoint.get("hyper_parameters") if isinstance(checkpoint, dict) else None
    if not isinstance(parameters, dict) or "_class_path" not in parameters:
        raise CheckpointError(f"{path} is a file of tensors but no checkpoint of mner; give one that mner fit wrote")
    found: dict[str, Any] = checkpoint
    return found


def model_config(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The ``{class_path, init_args}`` of the model in a checkpoint."""
    parameters = dict(checkpoint["hyper_parameters"])
    parameters.pop("_instantiator", None)
    return {"class_path": parameters.pop("_class_path"), "init_args": parameters}


def load_model(path: str | Path) -> FusionModule:
    """Load the model of a checkpoint, whatever its class, in evaluation mode on the CPU.

    ``SomeBase.load_from_checkpoint`` would build the base; this reads the class from the checkpoint and imports it,
    so the module of a class of your own must be importable.

    Raises:
        CheckpointError: If the file is not a checkpoint, or its class cannot be imported or has changed.
    """
    checkpoint = load_checkpoint(path)
    config = model_config(checkpoint)
    try:
        model = from_config(config)
    except TypeError as error:
        raise CheckpointError(
            f"the {config['class_path']} at hand cannot be built as {path} describes it ({error}); "
            "take the version of the class that trained it"
        ) from error
    if not isinstance(model, FusionModule):
        raise CheckpointError(f"{path} holds a {type(model).__name__}, which is not a fusion module and cannot tag")
    model.on_load_checkpoint(checkpoint)
    model.load_state_dict(checkpoint["state_dict"], strict=model.strict_loading)
    return model.eval()


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

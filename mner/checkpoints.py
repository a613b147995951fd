"""Checkpoints: self-contained, of plain data and tensors, read without running anything in them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from zipfile import is_zipfile

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from mner.components import Component, from_config, to_config
from mner.errors import CheckpointError

Model = TypeVar("Model", bound="SelfContained")

INSTANTIATOR = "pytorch_lightning.cli.instantiate_module"


def hyper_parameters(component: Component) -> dict[str, Any]:
    """What builds a component again, under the keys that Lightning gives it in a checkpoint.

    Raises:
        TypeError: If an argument is not plain data; names the argument and its type.
    """
    config = to_config(component)
    return {**config["init_args"], "_class_path": config["class_path"], "_instantiator": INSTANTIATOR}


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
    if not isinstance(parameters, dict) or "_class_path" not in parameters or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path} is a file of tensors but no checkpoint of mner; give one that mner fit wrote")
    return dict(checkpoint)


def model_config(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The ``{class_path, init_args}`` of the model in a checkpoint."""
    parameters = dict(checkpoint["hyper_parameters"])
    parameters.pop("_instantiator", None)
    return {"class_path": parameters.pop("_class_path"), "init_args": parameters}


def build_model(checkpoint: Mapping[str, Any], **arguments: Any) -> Any:
    """Build the model of a checkpoint, of whatever class, without its weights.

    Args:
        checkpoint: From :func:`load_checkpoint`.
        arguments: Constructor arguments that replace those of the checkpoint.

    Raises:
        CheckpointError: If its class cannot be imported, or cannot be built with these arguments.
    """
    config = model_config(checkpoint)
    config["init_args"].update(arguments)
    try:
        return from_config(config)
    except TypeError as error:
        raise CheckpointError(
            f"the {config['class_path']} at hand cannot be built as the checkpoint describes it ({error}); "
            "take the version of the class that trained it"
        ) from error


class SelfContained(Component, LightningModule):
    """A ``LightningModule`` whose checkpoints are enough to build it again."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what builds the model again."""
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = hyper_parameters(self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another model.

        Raises:
            CheckpointError: If its weights are not the model's, in name or shape.
        """
        if self.strict_loading:
            check_weights(self, checkpoint)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls: type[Model], checkpoint_path: str | Path, map_location: str | torch.device = "cpu", **arguments: Any
    ) -> Model:
        """Load the model of a checkpoint, of whatever subclass it is; Lightning's would build the class it is asked of.

        Args:
            checkpoint_path: What ``mner fit`` or a trainer saved.
            map_location: The model's device.
            arguments: Constructor arguments that replace those of the checkpoint.

        Raises:
            CheckpointError: If the file is not a checkpoint, or its class cannot be imported, has changed, or is no
                subclass of this one.
        """
        checkpoint = load_checkpoint(checkpoint_path)
        model = build_model(checkpoint, **arguments)
        if not isinstance(model, cls):
            raise CheckpointError(
                f"{checkpoint_path} holds a {type(model).__name__}, which is no {cls.__name__}; give another checkpoint"
            )
        model.on_load_checkpoint(checkpoint)
        model.load_state_dict(checkpoint["state_dict"], strict=model.strict_loading)
        return model.to(map_location)


def check_weights(model: nn.Module, checkpoint: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose weights are not those of a model.

    Raises:
        CheckpointError: If they differ in name or shape.
    """
    expected, given = _shapes(model.state_dict()), _shapes(checkpoint["state_dict"])
    differing = [name for name in {**expected, **given} if expected.get(name) != given.get(name)]
    if differing:
        name = differing[0]
        raise CheckpointError(
            f"{len(differing)} weights of the checkpoint do not fit this {type(model).__name__}; the first is {name}, "
            f"expected {expected.get(name, 'none')}, got {given.get(name, 'none')}. "
            "Take the config, the classes and the version of mner that trained it"
        )


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in weights.items()}

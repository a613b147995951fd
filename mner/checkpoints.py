"""Self-contained checkpoints of plain data and tensors, read without executing anything in them.

A model is rebuilt from the arguments in its checkpoint: by trusted classes (:mod:`mner.trust`), within the memory that
its weights need (:mod:`mner.allocation`), and without other files or the network (:mod:`mner.weights`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from mner.allocation import AllocationLimit
from mner.checkpoint_file import load_checkpoint, reason
from mner.checksum import seal, verify
from mner.components import Component, from_config, to_config
from mner.errors import CheckpointError
from mner.trust import find_class

Model = TypeVar("Model", bound="SelfContained")

INSTANTIATOR = "pytorch_lightning.cli.instantiate_module"


def hyper_parameters(component: Component) -> dict[str, Any]:
    """Return what rebuilds a component, under the keys that Lightning uses in a checkpoint.

    Raises:
        TypeError: If an argument is not plain data; names the argument and its type.
    """
    config = to_config(component)
    return {**config["init_args"], "_class_path": config["class_path"], "_instantiator": INSTANTIATOR}


def model_config(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``{class_path, init_args}`` of the model in a checkpoint."""
    parameters = dict(checkpoint["hyper_parameters"])
    parameters.pop("_instantiator", None)
    return {"class_path": parameters.pop("_class_path"), "init_args": parameters}


def build_model(checkpoint: Mapping[str, Any], **arguments: Any) -> Any:
    """Build the model of a checkpoint, whatever its class, without its weights.

    Args:
        checkpoint: From :func:`load_checkpoint`.
        arguments: Constructor arguments that replace those of the checkpoint.

    Raises:
        CheckpointError: If its class is not trusted, or cannot be built with these arguments.
    """
    config = model_config(checkpoint)
    config["init_args"].update(arguments)
    try:
        with AllocationLimit(checkpoint["state_dict"]):
            return from_config(config)
    except (KeyboardInterrupt, SystemExit, CheckpointError):
        raise
    except BaseException as error:  # a panic of the tokenizers library is not an Exception
        raise CheckpointError(
            f"the {config['class_path']} installed here cannot be built as the checkpoint describes it "
            f"({reason(error)}); use the version of the class that trained it"
        ) from error


class SelfContained(Component, LightningModule):
    """A ``LightningModule`` whose checkpoints are enough to build it again."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save what rebuilds the model, and a checksum, unless the weights are shards of a distributed checkpoint."""
        checkpoint[self.CHECKPOINT_HYPER_PARAMS_KEY] = hyper_parameters(self)
        if all(type(weight) in (Tensor, nn.Parameter) for weight in checkpoint["state_dict"].values()):
            seal(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a damaged checkpoint, or one of another model.

        Raises:
            CheckpointError: If its weights do not match the model's in name or shape, are not finite, or differ from
                those that were saved.
        """
        if "state_dict" not in checkpoint:  # FSDP and DeepSpeed load the weights themselves, before this
            return
        if self.strict_loading:
            check_weights(self, checkpoint)
        verify(checkpoint)

    def open_files(self, source: str | Path) -> None:
        """Open further files of the folder that the model is loaded from; an override needs some.

        Args:
            source: The folder or checkpoint.
        """

    def try_out(self) -> Tensor:
        """Run the loaded model on dummy input; an override returns its output, which must be finite."""
        return torch.zeros(())

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls: type[Model], checkpoint_path: str | Path, map_location: str | torch.device = "cpu", **arguments: Any
    ) -> Model:
        """Load the model of a checkpoint as the subclass that it is; Lightning's would build the class it is called on.

        Args:
            checkpoint_path: A file that ``mner fit`` or a trainer saved.
            map_location: Device of the loaded model.
            arguments: Constructor arguments that replace those of the checkpoint.

        Raises:
            CheckpointError: If the file is not a checkpoint or is damaged; if its class is not trusted, has changed, or
                is not a subclass of this one; or if the model does not work.
        """
        return cls.from_checkpoint(load_checkpoint(checkpoint_path), checkpoint_path, map_location, **arguments)

    @classmethod
    def from_checkpoint(
        cls: type[Model],
        checkpoint: dict[str, Any],
        source: str | Path,
        map_location: str | torch.device = "cpu",
        **arguments: Any,
    ) -> Model:
        """Build the model of a checkpoint that was read.

        Args:
            checkpoint: From :func:`load_checkpoint`.
            source: Where it is from, for messages.
            map_location: Device of the model.
            arguments: Constructor arguments that replace those of the checkpoint.

        Raises:
            CheckpointError: As :meth:`load_from_checkpoint`.
        """
        found = find_class(model_config(checkpoint)["class_path"], Component)
        if not issubclass(found, cls):
            raise CheckpointError(
                f"{source} contains a {found.__name__}, which is not a {cls.__name__}; give another checkpoint"
            )
        model: Model = build_model(checkpoint, **arguments)
        model.on_load_checkpoint(checkpoint)
        model.load_state_dict(checkpoint["state_dict"], strict=model.strict_loading)
        model.open_files(source)
        _try_out(model, checkpoint)
        return model.to(map_location)


def check_weights(model: nn.Module, checkpoint: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose weights do not fit a model.

    Raises:
        CheckpointError: If they differ in name, shape or kind, or one is NaN or infinite where the model's is not.
    """
    own = model.state_dict()
    expected, given = _shapes(own), _shapes(checkpoint["state_dict"])
    differing = [name for name in {**expected, **given} if expected.get(name) != given.get(name)]
    if differing:
        name = differing[0]
        raise CheckpointError(
            f"{len(differing)} weights of the checkpoint do not fit this {type(model).__name__}; the first is {name}, "
            f"expected {expected.get(name, 'none'):.100}, got {given.get(name, 'none'):.100}. "
            "Use the config, the classes and the version of mner that trained it"
        )
    for name, weight in checkpoint["state_dict"].items():
        # Converted first, since a number of higher precision may overflow in the model's.
        if (
            weight.is_floating_point()
            and not weight.to(own[name].dtype).isfinite().all()
            and own[name].isfinite().all()
        ):
            raise CheckpointError(
                f"the weight {name} of the checkpoint is NaN or infinite: the training diverged before it was saved; "
                "use an earlier checkpoint of the run"
            )


def _try_out(model: SelfContained, checkpoint: Mapping[str, Any]) -> None:
    """Run a loaded model once: sizes and settings can fit its weights and still not work."""
    training = model.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), AllocationLimit(checkpoint["state_dict"]):
            if not model.eval().try_out().isfinite().all():
                raise CheckpointError("its output is not finite")
    except Exception as error:
        raise CheckpointError(
            f"the {type(model).__name__} of the checkpoint was built but does not work ({reason(error)}); "
            "use another checkpoint of the run, or the versions of mner and transformers that trained it"
        ) from error
    finally:
        model.train(training)


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Map each weight to its shape, with its dtype unless that is floating-point: precisions are converted."""
    kinds = {name: "" if weight.is_floating_point() else f" {weight.dtype}" for name, weight in weights.items()}
    return {name: f"{tuple(weight.shape)}{kinds[name]}" for name, weight in weights.items()}

"""What a checkpoint says of its model, and whether it fits the model at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mner.components import to_config
from mner.errors import CheckpointError

if TYPE_CHECKING:
    from mner.fusion.base import FusionModule

INSTANTIATOR = "pytorch_lightning.cli.instantiate_module"


def hyper_parameters(model: FusionModule) -> dict[str, Any]:
    """What builds a model again, as Lightning keeps it, so that its ``load_from_checkpoint`` works too."""
    config = to_config(model)
    return {**config["init_args"], "_class_path": config["class_path"], "_instantiator": INSTANTIATOR}


def check_fit(model: FusionModule, checkpoint: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of other labels or of another model.

    Raises:
        CheckpointError: If the checkpoint's labels differ from the model's, in kind or in order, or its weights in
            name or shape.
    """
    labels = checkpoint.get("hyper_parameters", {}).get("labels", model.labels)
    if labels != model.labels:
        raise CheckpointError(
            f"the checkpoint was trained with the labels {labels}, in this order, but the model has {model.labels}; "
            "load it with mner.load_model, which takes the labels from the checkpoint, or train anew"
        )
    expected, given = _shapes(model.state_dict()), _shapes(checkpoint["state_dict"])
    differing = [name for name in {**expected, **given} if expected.get(name) != given.get(name)]
    if differing and model.strict_loading:
        name = differing[0]
        raise CheckpointError(
            f"{len(differing)} weights of the checkpoint do not fit this {type(model).__name__}; the first is {name}, "
            f"expected {expected.get(name, 'none')}, got {given.get(name, 'none')}. "
            "Take the config, the classes and the version of mner that trained it"
        )


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in weights.items()}

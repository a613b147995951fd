"""Recurrent layers in any precision: float32 is the fallback where the machine has no kernel."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from mner.lstm_operator import lstm

FULL_PRECISION = (torch.float32, torch.float64)


def run_recurrent(layer: nn.RNNBase | nn.RNNCellBase, inputs: Tensor, state: Any = None) -> Any:
    """Run a recurrent layer in the requested precision, or in float32 where the machine has no kernel for it.

    Half-precision kernels of recurrent layers depend on the processor: oneDNN has bfloat16 LSTMs only from AVX-512 on,
    and float16 ones only on the newest processors.

    Args:
        layer: An LSTM, GRU or plain recurrent network, or a cell of one.
        inputs: The layer's input, such as ``(B, T, D)`` for a ``batch_first`` layer.
        state: The initial state, or ``None`` for zeros.

    Returns:
        The result of ``layer(inputs, state)``; without the final state where the layer is exported as one operator.
        After a fallback without autocast it is converted back to the data type of ``inputs``; under autocast it stays
        in float32, as autocast does for its other float32 operations.
    """
    if torch.compiler.is_compiling() and state is None and isinstance(layer, nn.LSTM) and _is_plain(layer):
        weights = (getattr(layer, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        return lstm(inputs, *weights), None
    kind = inputs.device.type
    autocast = torch.is_autocast_enabled(kind)
    dtype = torch.get_autocast_dtype(kind) if autocast else inputs.dtype
    cls: Any = type(layer)
    if dtype in FULL_PRECISION or has_recurrent_kernel(cls, inputs.device, dtype, autocast):
        return layer(inputs, state)
    parameters = {name: parameter.float() for name, parameter in layer.named_parameters()}
    with torch.autocast(kind, enabled=False):
        result = torch.func.functional_call(
            layer, parameters, (_map(inputs, torch.float32), _map(state, torch.float32))
        )
    return result if autocast else _map(result, dtype)


@cache
@torch.compiler.disable  # type: ignore[untyped-decorator]
def has_recurrent_kernel(
    kind: type[nn.RNNBase | nn.RNNCellBase], device: torch.device, dtype: torch.dtype, autocast: bool
) -> bool:
    """Test whether a device runs a recurrent layer forward and backward in a data type.

    Args:
        kind: The class of the layer.
        device: Where it runs.
        dtype: The data type of the computation.
        autocast: Whether autocast requests it for float32 weights; the kernels differ.
    """
    weights = torch.float32 if autocast else dtype
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, dtype, enabled=autocast):
        # On the meta device the constructor consumes no random numbers.
        layer = kind(1, 1, device="meta", dtype=weights).to_empty(device=device)  # type: ignore[call-arg, arg-type]
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
        try:
            output: Any = layer(torch.zeros(_shape(kind), dtype=weights, device=device))
            while not isinstance(output, Tensor):
                output = output[0]
            output.float().sum().backward()
        except RuntimeError:
            return False
    return True


def _is_plain(layer: nn.LSTM) -> bool:
    """Whether a layer is what :func:`mner.lstm_operator.lstm` computes."""
    several = layer.num_layers > 1 or layer.bidirectional or layer.proj_size
    return layer.batch_first and layer.bias and not several


def _shape(kind: type[nn.Module]) -> tuple[int, ...]:
    return (1, 1) if issubclass(kind, nn.RNNCellBase) else (1, 1, 1)


def _map(value: Any, dtype: torch.dtype) -> Any:
    """Convert a tensor, or each of a tuple of them."""
    if isinstance(value, tuple):
        return tuple(_map(part, dtype) for part in value)
    return value if value is None else value.to(dtype)

"""A linear layer that computes with 8-bit numbers on the CPU."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from mner.errors import ConfigurationError
from mner.text.token_scaled_linear import TokenScaledLinear


class Int8Linear(TokenScaledLinear):
    """Weights of 8 bits with a scale per output, and inputs of 8 bits with a scale per token.

    Processors without VNNI instructions (Intel before 2019, AMD before 2022) overflow when they add products of 8 bits;
    there, inputs have 7 bits, as PyTorch's dynamic quantisation has them everywhere.

    Args:
        layer: The layer that is quantised.

    Raises:
        ConfigurationError: If this build of PyTorch cannot compute with 8 bits.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer)
        self._weight = None
        self._packed, self._reduce_range = _packed(layer.weight.detach().float()), _overflows()

    def product(self, inputs: Tensor) -> Tensor:
        """Multiply inputs from -1 to 1, shape ``(..., in)``, by the weights: shape ``(..., out)``."""
        products: Tensor = torch.ops.quantized.linear_dynamic(inputs.float(), self._packed, self._reduce_range)
        return products.to(inputs.dtype)

    def weight(self) -> Tensor:
        """Return the weights, shape ``(out, in)``: a method, by which ``transformers`` recognises quantised layers."""
        weight: Tensor = torch.ops.quantized.linear_unpack(self._packed)[0]
        return weight


def _packed(weight: Tensor) -> Any:
    scales = weight.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / 127
    zeros = torch.zeros(len(weight), dtype=torch.int64)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its deprecation, since PyTorch 2.14
            quantised = torch.quantize_per_channel(weight, scales, zeros, axis=0, dtype=torch.qint8)
        return torch.ops.quantized.linear_prepack(quantised, None)
    except (AttributeError, RuntimeError) as error:
        raise ConfigurationError(
            f"torch {torch.__version__} cannot compute with 8 bits on this machine ({error}); leave int8 out"
        ) from error


@cache
def _overflows() -> bool:
    """Whether two products of the largest 8-bit numbers have another sum than 2."""
    result = torch.ops.quantized.linear_dynamic(torch.ones(1, 2), _packed(torch.ones(1, 2)), False)
    return bool((result - 2).abs() > 0.1)

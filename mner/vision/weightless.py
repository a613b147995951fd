"""Copies of modules without their weights: to ask for shapes, or to send an encoder's transform to a data worker."""

from __future__ import annotations

import copy
from itertools import chain
from typing import Any, TypeVar

from torch import nn

T = TypeVar("T")


def weightless(thing: T, module: nn.Module) -> T:
    """Deep-copy something, with the weights inside it left behind as tensors on the meta device.

    Args:
        thing: What is copied: the module itself, or something that holds it.
        module: The module whose parameters and buffers are left behind.
    """
    memo: dict[int, Any] = {}
    for tensor in chain(module.parameters(), module.buffers()):
        empty = tensor.detach().to("meta")
        memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty
    return copy.deepcopy(thing, memo)

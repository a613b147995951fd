"""Copies of modules without their weights: to ask for shapes, or to send an encoder's transform to a data worker."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


def weightless(thing: T, modules: nn.Module, drop: Callable[[Tensor], bool] = lambda tensor: True) -> T:
    """Deep-copy something, with the weights inside it left behind as tensors on the meta device.

    Args:
        thing: What is copied; ``modules`` itself or something that holds it.
        modules: The module whose parameters and buffers are meant.
        drop: Says of each of them whether to leave it behind.
    """
    memo: dict[int, Any] = {}
    for tensor in chain(modules.parameters(), modules.buffers()):
        if drop(tensor):
            empty = torch.empty_like(tensor, device="meta")
            memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty
    return copy.deepcopy(thing, memo)

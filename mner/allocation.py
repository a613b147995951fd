"""A limit on what a constructor allocates, since the sizes in a checkpoint cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mner.errors import CheckpointError

FACTORIES: frozenset[Callable[..., Tensor]] = frozenset(
    {
        torch.empty,
        torch.empty_strided,
        torch.zeros,
        torch.ones,
        torch.full,
        torch.rand,
        torch.randn,
        torch.randint,
        torch.randperm,
        torch.arange,
        torch.linspace,
        torch.logspace,
        torch.eye,
        torch.tril_indices,
        torch.triu_indices,
    }
)
"""Functions that create a tensor from sizes only; every layer's constructor ends up in one of them."""
SPARE_ELEMENTS = 2**26
"""Tensors that a model builds and a checkpoint does not contain: buffers, tables of positions, initial values."""
CALLS_PER_WEIGHT = 8
"""Tensors that are built per weight: 0.5 to 1.3 in the architectures of transformers and timm."""
SPARE_CALLS = 2000

_lifted: ContextVar[bool] = ContextVar("lifted", default=False)


@contextmanager
def unlimited() -> Iterator[None]:
    """Lift the limit for a block that builds what the user or an installed package provides."""
    token = _lifted.set(True)
    try:
        yield
    finally:
        _lifted.reset(token)


class AllocationLimit(TorchFunctionMode):
    """Stops a constructor that builds a model larger than the weights it will be given.

    Each tensor is first created on the meta device, which allocates nothing. The number of tensors is limited too, so
    that a config with 10^12 layers is refused at once.

    Args:
        weights: The weights that the model will be given.

    Raises:
        CheckpointError: On entering a factory function that would exceed the limit.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.elements = 4 * sum(weight.numel() for weight in weights.values()) + SPARE_ELEMENTS
        self.calls = CALLS_PER_WEIGHT * len(weights) + SPARE_CALLS

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count, then call."""
        options = dict(kwargs or {})
        if func in FACTORIES and not _lifted.get() and torch.device(options.get("device") or "cpu").type != "meta":
            # As the device is another, so is what belongs to it.
            sizes = {name: value for name, value in options.items() if name not in ("pin_memory", "generator", "out")}
            self.elements -= func(*args, **{**sizes, "device": "meta"}).numel()
            self.calls -= 1
            if self.elements < 0 or self.calls < 0:
                raise CheckpointError(
                    "the sizes in the checkpoint are not those of its weights: they describe a larger model"
                )
        return func(*args, **options)

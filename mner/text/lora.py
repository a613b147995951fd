"""LoRA adapters: small trained matrices next to the frozen layers of a pretrained encoder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from mner.argument_types import check_range
from mner.errors import ConfigurationError, summary
from mner.extras import extra


@dataclass(frozen=True)
class LoRA:
    r"""Hu et al. 2022, "LoRA: Low-rank adaptation of large language models", by the package ``peft``.

    A linear layer :math:`W x` of the encoder becomes :math:`W x + \frac{\alpha}{r} B A x` with :math:`W` frozen and
    :math:`A`, :math:`B` of rank :math:`r` trained. :math:`B` is zero at first.

    Args:
        rank: :math:`r`.
        alpha: :math:`\alpha`.
        dropout: Dropout on :math:`x` before :math:`A`.
        target_modules: Names of the layers, for example ``[query, value]``, or ``all-linear`` for every linear layer.

    Raises:
        ConfigurationError: If a number is out of range.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    target_modules: list[str] | Literal["all-linear"] = "all-linear"

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_range("lora.rank", self.rank, "[1, inf)")
        check_range("lora.alpha", self.alpha, "(-inf, inf)")
        check_range("lora.dropout", self.dropout, "[0, 1)")
        # A string would be a regular expression, which must not come from a checkpoint.
        if self.target_modules != "all-linear" and not _are_names(self.target_modules):
            raise ConfigurationError(
                f"expected lora.target_modules to be all-linear or a list of names, got {self.target_modules!r:.60}"
            )


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(name, str) for name in value)


def add_adapter(model: Any, lora: LoRA, exclude: Sequence[str] = ()) -> None:
    """Insert an adapter into a ``transformers`` model, in place, and freeze everything else.

    Args:
        model: The model.
        lora: The adapter.
        exclude: Names of layers that get none.

    Raises:
        ConfigurationError: If peft is not installed, or the model has no such layers.
    """
    with extra("lora", "LoRA"):
        from peft import LoraConfig, inject_adapter_in_model
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # annotated int, used as a factor
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        exclude_modules=list(exclude) or None,
    )
    try:
        inject_adapter_in_model(config, model)
    except ValueError as error:
        remedy = "name linear layers of the model, or give all-linear"
        if lora.target_modules == "all-linear":
            remedy = "it has no linear layers, so leave lora out, or choose another text encoder"
        raise ConfigurationError(
            f"lora.target_modules {lora.target_modules} do not fit a {type(model).__name__}: {summary(error)}; {remedy}"
        ) from error


def is_adapter(name: str) -> bool:
    """Return whether a weight of a model with an adapter belongs to the adapter, by its name."""
    return any(part.startswith("lora_") for part in name.split("."))


def base_name(name: str) -> str:
    """Return the name that a weight had before the adapter was inserted."""
    return ".".join(part for part in name.split(".") if part != "base_layer")


def merged(model: Any) -> Any:
    """Copy a model with its adapter merged into the weights: an ordinary ``transformers`` model."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    whole = copy.deepcopy(model)
    adapted = [(name, part) for name, part in whole.named_modules() if isinstance(part, BaseTunerLayer)]
    for name, layer in reversed(adapted):  # the adapter of one weight of a layer may contain that of another
        layer.merge(safe_merge=True)
        parent, _, own = name.rpartition(".")
        base: nn.Module = layer.get_base_layer()
        setattr(whole.get_submodule(parent), own, base)
    return whole.requires_grad_(True)

"""A linear layer whose product sees tokens of one scale, as products of 8-bit numbers need them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from mner.text.lora import is_adapter

SMALLEST = 1e-12
"""In place of the scale of a token of zeros."""


class TokenScaledLinear(nn.Module):
    """Divides each token by its largest absolute value before the product, and multiplies the product by it: no change.

    Dynamic quantisation has one scale for all inputs of a product. The largest values, which Transformers have in a
    few tokens, would leave few levels to all others, of whatever post in the batch. Divided in this way, each token has
    its own scale: the per-token quantisation of Yao et al. 2022 (`ZeroQuant <https://arxiv.org/abs/2206.01861>`_). It
    needs no posts from which scales or layers are chosen.

    Args:
        layer: The layer whose weights are used.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.bias = layer.bias
        self._weight: Tensor | None = layer.weight

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the outputs, shape ``(..., out)``, of inputs of shape ``(..., in)``."""
        largest = torch.maximum(inputs.amax(-1, keepdim=True), -inputs.amin(-1, keepdim=True)).clamp_(min=SMALLEST)
        outputs = self.product(inputs / largest).mul_(largest)
        return outputs if self.bias is None else outputs.add_(self.bias)

    def product(self, inputs: Tensor) -> Tensor:
        """Multiply inputs between -1 and 1, shape ``(..., in)``, by the weights: shape ``(..., out)``."""
        assert self._weight is not None
        return linear(inputs, self._weight)


def scale_tokens(encoder: nn.Module, layer: type[TokenScaledLinear] = TokenScaledLinear) -> None:
    """Replace the linear layers of a text encoder, in place; the small ones of an adapter stay as they are."""
    for name, child in list(encoder.named_modules()):
        # not the subclasses, whose owners may compute with their weights themselves
        if type(child) is nn.Linear and not is_adapter(name):
            encoder.set_submodule(name, layer(child))

"""Keys and values that every layer of an encoder attends to in addition to those of its subwords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class Prefix:
    """A prefix of K positions for every layer, which a ``transformers`` encoder takes as its cache.

    Unlike the cache of a decoder it has no place in the sequence: the positions of the subwords begin at zero, and the
    prefix does not grow. Letters: B posts or N encoder rows.

    Args:
        keys: Keys of each layer, split into heads, shape ``(layers, B, heads, K, head size)``.
        values: Values, of the same shape.
        mask: True where a position may be attended to, shape ``(B, K)``.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor

    def of_rows(self, post_of_row: Tensor) -> Prefix:
        """Repeat the prefix of each post for its encoder rows.

        Args:
            post_of_row: Which post a row belongs to, shape ``(N,)``.
        """
        return Prefix(self.keys[:, post_of_row], self.values[:, post_of_row], self.mask[post_of_row])

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return how far the positions of the subwords are shifted: not at all."""
        return 0

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Return the keys and values of a layer with those of the prefix before them; called by the layer.

        Args:
            key_states: Keys of the subwords, shape ``(N, heads, P, head size)``.
            value_states: Their values.
            layer_idx: Index of the layer.

        Returns:
            Both with K + P positions.
        """
        keys, values = self.keys[layer_idx].to(key_states.dtype), self.values[layer_idx].to(value_states.dtype)
        return torch.cat([keys, key_states], dim=2), torch.cat([values, value_states], dim=2)

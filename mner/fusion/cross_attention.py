"""A transformer layer whose queries and keys may come from two modalities."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from mner.errors import ConfigurationError
from mner.fusion.attention import masked_softmax


class CrossAttention(nn.Module):
    """A BERT layer with keys and values from another sequence, or from its own (Tsai et al. 2019).

    Multi-head attention, then a feed-forward network of four times the width, each followed by a residual connection
    from the query and a layer norm. Where a post has no keys, the attention output is zero.

    Args:
        size: Width of queries and keys.
        heads: Number of attention heads; must divide the width. By default each is about 64 wide.
        dropout: Dropout on the attention weights and on both outputs.

    Raises:
        ConfigurationError: If ``heads`` does not divide ``size``.
    """

    def __init__(self, size: int, heads: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        heads = math.gcd(size, max(1, size // 64)) if heads is None else heads
        if heads < 1 or size % heads:
            raise ConfigurationError(f"expected heads to divide the text encoder's width {size}, got {heads}")
        self.heads = heads
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.output = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size)
        self.feedforward_in = nn.Linear(size, 4 * size)
        self.feedforward_out = nn.Linear(4 * size, size)
        self.last_norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.query, self.key_value, self.output, self.feedforward_in, self.feedforward_out):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Let queries attend to keys.

        Args:
            queries: Shape ``(B, Q, size)``.
            keys: Keys and values, shape ``(B, K, size)``.
            mask: True where a key is real, shape ``(B, K)``.

        Returns:
            Shape ``(B, Q, size)``.
        """
        query, key, value = self._split(queries, keys)
        has_keys = mask.any(dim=1)[:, None, None]
        allowed = (mask[:, None] | ~has_keys)[:, None]  # a softmax over no key would be NaN
        dropout = self.dropout.p if self.training else 0.0
        heads = scaled_dot_product_attention(query, key, value, allowed, dropout_p=dropout)
        attended = self.output(heads.transpose(1, 2).flatten(2)) * has_keys
        hidden = self.norm(queries + self.dropout(attended))
        added = self.feedforward_out(gelu(self.feedforward_in(hidden)))
        result: Tensor = self.last_norm(hidden + self.dropout(added))
        return result

    def weights(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Compute the attention weights of :meth:`forward`, averaged over the heads, shape ``(B, Q, K)``."""
        query, key, _ = self._split(queries, keys)
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
        return masked_softmax(scores, mask[:, None, None]).mean(dim=1)

    def _split(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project to the query, key and value of each head, shape ``(B, heads, Q or K, size / heads)``."""
        query, (key, value) = self.query(queries), self.key_value(keys).chunk(2, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        return query, key, value

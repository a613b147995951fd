"""Additive attention: each query-key pair is scored by a small feed-forward layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mner.argument_types import check_range
from mner.fusion.attention import masked_softmax

CHUNK = 2**26
"""Maximum number of elements of the layer's output at once: 256 MiB in float32, unless a single query needs more."""


class AdditiveAttention(nn.Module):
    r"""Attention weights from a layer over query and key (Bahdanau et al. 2015).

    .. math::
        a_{qk} = \mathrm{softmax}_k\; w^\top \tanh(W [q ; k] + b) = \mathrm{softmax}_k\; w^\top \tanh(W_q q + b + W_k k)

    As printed by Lu et al. (2018) and Zhang et al. (2018), it is :math:`w^\top \tanh([W_q q + b ; W_k k])`, with the
    layer inside the concatenation. A score is then the sum of a term that depends only on the query and one that
    depends only on the key. The former is constant over keys and cancels in the softmax, so every query attends to the
    same keys, and the text guides nothing, contrary to both papers (reading the sign between the two tanhs as a sum
    does not help). ``as_published`` implements the printed form.

    Args:
        query_size: Width of a query.
        key_size: Width of a key.
        size: Width of the layer, A.
        as_published: Use the printed form.

    Raises:
        ConfigurationError: If ``size`` is below 1.
    """

    def __init__(self, query_size: int, key_size: int, size: int, as_published: bool = False) -> None:
        super().__init__()
        check_range("attention_size", size, "[1, inf)")
        self.as_published = as_published
        self.query = nn.Linear(query_size, size)
        self.key = nn.Linear(key_size, size, bias=False)
        self.score = nn.Linear(2 * size if as_published else size, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """Compute the weights of keys for queries.

        Args:
            queries: Shape ``(B, Q, query_size)``.
            keys: Shape ``(B, K, key_size)``.
            mask: True where a key is real, shape ``(B, K)``.

        Returns:
            Weights, shape ``(B, Q, K)``; they sum to one over the real keys, or are zero where there is none.
        """
        query, key = self.query(queries), self.key(keys)
        step = max(1, CHUNK // max(1, key.numel()))
        # A traced graph computes in one step, for any number of queries.
        if torch.compiler.is_compiling() or query.shape[1] <= step:
            scores = self._scores(query, key)
        else:  # recomputed in the backward pass: memory does not grow with Q x K x A
            parts = [
                checkpoint(self._scores, part, key, use_reentrant=False, preserve_rng_state=False)
                for part in query.split(step, dim=1)
            ]
            scores = torch.cat(parts, dim=1)
        return masked_softmax(scores, mask.unsqueeze(1))

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        query, key = query.unsqueeze(2), key.unsqueeze(1)
        # (B, Q, K, A) is the largest tensor of a step, so tanh is applied in place.
        joint = torch.cat(torch.broadcast_tensors(query, key), dim=-1) if self.as_published else query + key
        scores: Tensor = self.score(joint.tanh_()).squeeze(-1)
        return scores

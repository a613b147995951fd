"""Sums of gated vectors over every pair of two sequences, in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK = 2**22
"""Maximum number of elements of a chunk's largest tensor: 16 MiB in float32, unless a single query needs more."""


def gated_sum(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    r"""Compute :math:`y_i = \sum_j \sigma(q_i + k_j) \odot v_j` over the unmasked j.

    Neither the pairs nor their gates exist at once: queries are processed in chunks, whose gates are recomputed in the
    backward pass.

    Args:
        queries: Shape ``(B, Q, C)``.
        keys: Shape ``(B, K, C)``.
        values: Shape ``(B, K, C)``.
        mask: True where a key counts, shape ``(B, K)``.

    Returns:
        Shape ``(B, Q, C)``; zeros where a row has no key.
    """
    values = values.masked_fill(~mask[..., None], 0.0)
    if torch.compiler.is_compiling():  # a traced graph reads any number of queries in one step
        return _sum(queries, keys, values)
    step = max(1, CHUNK // max(1, keys.numel()))
    parts = [
        checkpoint(_sum, part, keys, values, use_reentrant=False, preserve_rng_state=False)
        for part in queries.split(step, dim=1)
    ]
    return torch.cat(parts, dim=1)


def _sum(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return ((queries[:, :, None] + keys[:, None]).sigmoid() * values[:, None]).sum(dim=2)

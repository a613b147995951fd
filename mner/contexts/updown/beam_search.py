"""Beam search over words, for whole batches at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

State: TypeAlias = "tuple[Tensor, ...]"
Step: TypeAlias = Callable[[Tensor, State], "tuple[Tensor, State]"]


def beam_search(
    step: Step, state: State, start: int, end: int, num_beams: int, max_length: int
) -> tuple[Tensor, Tensor]:
    """Find the most probable sequences.

    Exact if ``num_beams`` is at least the number of sequences; greedy if it is 1. Scores are not normalised by length.

    Args:
        step: Maps the last words, shape ``(N,)``, and their states to the log-probabilities of the next word, shape
            ``(N, V)``, and the new states. N is B times ``num_beams``.
        state: States before the first word, each of shape ``(B, ...)``.
        start: The word before the first.
        end: The word that closes a sequence.
        num_beams: Number of sequences kept at a time (K).
        max_length: Words after which a sequence stops without an end.

    Returns:
        The best sequence of each row, shape ``(B, T)`` with ``T <= max_length``, padded with ``end``; and its
        log-probability, shape ``(B,)``.
    """
    rows = state[0].shape[0]
    device = state[0].device
    first = torch.arange(rows, device=device)[:, None] * num_beams
    state = tuple(part.repeat_interleave(num_beams, dim=0) for part in state)
    scores = torch.full((rows, num_beams), -torch.inf, device=device)
    scores[:, 0] = 0.0  # all beams are equal before the first word, so only one may count
    words = torch.full((rows, num_beams, 0), end, device=device)
    last = torch.full((rows * num_beams,), start, device=device)
    done = torch.zeros(rows, num_beams, dtype=torch.bool, device=device)
    for _ in range(max_length):
        logs, state = step(last, state)
        size = logs.shape[-1]
        closed = torch.full_like(logs[0], -torch.inf)
        closed[end] = 0.0
        logs = torch.where(done[..., None], closed, logs.view(rows, num_beams, size))
        scores, best = (scores[..., None] + logs).flatten(1).topk(num_beams)
        parent, word = best // size, best % size
        state = tuple(part[(first + parent).flatten()] for part in state)
        words = torch.cat([words.gather(1, parent[..., None].expand_as(words)), word[..., None]], dim=2)
        done = done.gather(1, parent) | (word == end)
        last = word.flatten()
        if done.all():
            break
    return words[:, 0], scores[:, 0]

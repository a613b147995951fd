"""Beam search over words, for whole batches at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

State: TypeAlias = "tuple[Tensor, ...]"
Step: TypeAlias = Callable[[Tensor, State], "tuple[Tensor, State]"]


def beam_search(step: Step, state: State, start: int, end: int, beams: int, max_length: int) -> tuple[Tensor, Tensor]:
    """Find the most probable sequences.

    Exact if ``beams`` is at least the number of sequences; greedy if it is 1. Nothing is normalised by length.

    Args:
        step: From the last words, shape ``(N,)``, and their states, to the logarithms of the probabilities of the
            next word, shape ``(N, V)``, and the new states. N is B times ``beams``.
        state: States before the first word, each of shape ``(B, ...)``.
        start: The word before the first.
        end: The word that closes a sequence.
        beams: Sequences kept at a time (K).
        max_length: Words after which a sequence stops without an end.

    Returns:
        The best sequence of each row, shape ``(B, T)`` with ``T <= max_length``, padded with ``end``; and the
        logarithm of its probability, shape ``(B,)``.
    """
    rows = state[0].shape[0]
    device = state[0].device
    first = torch.arange(rows, device=device)[:, None] * beams
    state = tuple(part.repeat_interleave(beams, dim=0) for part in state)
    scores = torch.full((rows, beams), -torch.inf, device=device)
    scores[:, 0] = 0.0  # all beams are alike before the first word, so one speaks for them
    words = torch.full((rows, beams, 0), end, device=device)
    last = torch.full((rows * beams,), start, device=device)
    done = torch.zeros(rows, beams, dtype=torch.bool, device=device)
    for _ in range(max_length):
        logs, state = step(last, state)
        size = logs.shape[-1]
        closed = torch.full_like(logs[0], -torch.inf)
        closed[end] = 0.0
        logs = torch.where(done[..., None], closed, logs.view(rows, beams, size))
        scores, best = (scores[..., None] + logs).flatten(1).topk(beams)
        parent, word = best // size, best % size
        state = tuple(part[(first + parent).flatten()] for part in state)
        words = torch.cat([words.gather(1, parent[..., None].expand_as(words)), word[..., None]], dim=2)
        done = done.gather(1, parent) | (word == end)
        last = word.flatten()
        if done.all():
            break
    return words[:, 0], scores[:, 0]

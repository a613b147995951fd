"""The n best paths through a linear chain."""

from __future__ import annotations

import torch
from torch import Tensor

from mner.decoders.linear_chain import Chain


@torch.no_grad()
def best_paths(emissions: Tensor, mask: Tensor, chain: Chain, n: int) -> tuple[Tensor, Tensor]:
    """Find the n most probable tag sequences of each post (Viterbi with n candidates per label).

    Args:
        emissions: Scores of the labels of each word, shape ``(B, W, L)``.
        mask: True where a word is real, shape ``(B, W)``; the real words of a post come first.
        chain: Start, transition and end scores.
        n: Number of sequences.

    Returns:
        Label indices, shape ``(B, n, W)``, zero where ``mask`` is false, from the best to the worst; and true where
        there is such a sequence, shape ``(B, n)``: a post of few words has few.
    """
    posts, words, labels = emissions.shape
    if not words:
        exists = torch.zeros(posts, n, dtype=torch.bool, device=emissions.device)
        exists[:, 0] = True
        return torch.zeros(posts, n, 0, dtype=torch.long, device=emissions.device), exists
    scores = emissions.to(torch.promote_types(emissions.dtype, torch.float32))
    # Candidates of each label, (B, n, L); those that do not exist have the score minus infinity.
    best = torch.full((posts, n, labels), -torch.inf, dtype=scores.dtype, device=scores.device)
    best[:, 0] = torch.where(mask[:, :1], scores[:, 0] + chain.start, chain.start * 0)
    origins = []
    stay = torch.arange(n * labels, device=scores.device).view(n, labels)
    for word in range(1, words):
        extended = (best.unsqueeze(3) + chain.transitions).flatten(1, 2)  # (B, n * L, L)
        top, origin = extended.topk(n, dim=1)
        real = mask[:, word, None, None]
        best = torch.where(real, top + scores[:, word, None], best)
        origins.append(torch.where(real, origin, stay))
    final, place = torch.where(mask[:, :1, None], best + chain.end, best).flatten(1).topk(n, dim=1)
    path = [place % labels]
    for origin in reversed(origins):
        place = origin.flatten(1).gather(1, place)
        path.append(place % labels)
    tags = torch.stack(path[::-1], dim=2)
    exists = final > -torch.inf
    exists[:, 1:] &= mask[:, :1]  # of a post without words there is one, empty
    return tags.masked_fill(~mask.unsqueeze(1), 0), exists

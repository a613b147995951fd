"""Exact inference in a linear chain: likelihood, best path, marginals, probability of an entity.

A chain scores a tag sequence by an emission for each word, a transition for each pair of neighbours, and a score for
the first and the last tag (Lafferty et al. 2001). Everything runs over all posts at once and loops over word positions
alone; nothing asks the device for a value. Sums of exponentials subtract each sum's own maximum, so that scores of
any size and forbidden transitions come out as in exact arithmetic.

Inside, tensors have the words first and the posts last, ``(W, L, B)``: reductions over labels then run along
contiguous posts, which a CPU vectorises. Masks are prefixes: the real words of a post come first.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.functional import pad

LOG2_E = math.log2(math.e)
"""Turns scores into exponents of two: a CPU's ``exp2`` is faster than ``exp``, thirty times so where it underflows."""

BLOCK = 8
"""Word positions whose label pairs are held at once: so many fit into a CPU's cache."""


class Chain(NamedTuple):
    """The scores of a chain over L labels.

    Args:
        start: Score of each first label, shape ``(L,)``.
        transitions: Score of each label (column) after each label (row), shape ``(L, L)``.
        end: Score of each last label, shape ``(L,)``.
    """

    start: Tensor
    transitions: Tensor
    end: Tensor


def negative_log_likelihood(emissions: Tensor, tags: Tensor, mask: Tensor, chain: Chain) -> Tensor:
    """Compute minus the log probability of each post's tags.

    Args:
        emissions: Scores of the labels of each word, shape ``(B, W, L)``.
        tags: Label index of each word, shape ``(B, W)``; anything where ``mask`` is false.
        mask: True where a word is real, shape ``(B, W)``.
        chain: Start, transition and end scores.

    Returns:
        Shape ``(B,)``; zero for a post without words. Differentiable once.
    """
    emissions, mask, chain = _words_first(emissions, mask, chain)
    tags = pad(tags.t(), (0, 0, 0, mask.shape[0] - tags.shape[1])).masked_fill(~mask, 0)
    losses: Tensor = _NegativeLogLikelihood.apply(emissions, tags, mask, *chain)
    return losses


@torch.no_grad()
def best_path(emissions: Tensor, mask: Tensor, chain: Chain) -> Tensor:
    """Find the most probable tags of each post (Viterbi 1967).

    Args:
        emissions: Scores of the labels of each word, shape ``(B, W, L)``.
        mask: True where a word is real, shape ``(B, W)``.
        chain: Start, transition and end scores.

    Returns:
        Label indices, shape ``(B, W)``, zero where ``mask`` is false.
    """
    words, over = emissions.shape[1:]
    scores, mask, chain = _words_first(emissions, mask, chain)
    transitions = chain.transitions.unsqueeze(-1)
    scores[0] += chain.start.unsqueeze(1)
    for previous, score in zip(scores.unsqueeze(2).unbind(), scores.unbind()[1:], strict=False):
        score += (previous + transitions).amax(0)

    # One label more, "the post is over", is certain on padding and impossible on words, and what comes before it gets
    # the end score: so the trace back needs no case for posts of different lengths.
    scores = pad(scores.transpose(1, 2), (0, 1), value=torch.inf)
    scores[:, :, over].masked_fill_(mask, -torch.inf)
    before = pad(chain.transitions.t(), (0, 1, 0, 1))
    before[over, :over] = chain.end
    path = [torch.full_like(mask[0], over, dtype=torch.long)]
    for score in reversed(scores.unbind()):
        path.append(before.index_select(0, path[-1]).add_(score).argmax(1))
    return torch.stack(path[:0:-1]).masked_fill(~mask, 0).t()[:, :words]


def marginals(emissions: Tensor, mask: Tensor, chain: Chain) -> Tensor:
    """Compute the probability of each label of each word, given the whole post.

    Args:
        emissions: Scores of the labels of each word, shape ``(B, W, L)``.
        mask: True where a word is real, shape ``(B, W)``.
        chain: Start, transition and end scores.

    Returns:
        Shape ``(B, W, L)``, zero where ``mask`` is false. Differentiable.
    """
    words = emissions.shape[1]
    emissions, mask, chain = _words_first(emissions, mask, chain)
    forward, backward = _forward_backward(emissions, mask, chain)
    probabilities = (forward + backward - emissions).softmax(1).masked_fill(~mask.unsqueeze(1), 0)
    return probabilities.permute(2, 0, 1)[:, :words]


@torch.no_grad()
def entity_probability(
    emissions: Tensor, mask: Tensor, tags: Tensor, chain: Chain, inside: Tensor, continues: Tensor
) -> Tensor:
    """Compute the probability of each entity that a tag sequence spells.

    That is the probability that its words carry exactly these tags, that the word before does not run into it, and
    that the word after does not carry it on. A chain factorises it without approximation: the marginal of the first
    tag, times each further tag's probability given the tag before it, times the two conditions at the borders.

    Args:
        emissions: Scores of the labels of each word, shape ``(B, W, L)``.
        mask: True where a word is real, shape ``(B, W)``.
        tags: Label index of each word, shape ``(B, W)``: a decoded sequence, or the gold one.
        chain: Start, transition and end scores.
        inside: True for each label of an entity, shape ``(L,)``.
        continues: True where the second label (column) carries on the entity of the first (row), shape ``(L, L)``.

    Returns:
        Shape ``(B, W)``: the probability at the first word of each entity, zero at every other word.
    """
    words = emissions.shape[1]
    emissions, mask, chain = _words_first(emissions, mask, chain)
    tags = pad(tags.t(), (0, 0, 0, mask.shape[0] - words)).masked_fill(~mask, 0)
    forward, backward = _forward_backward(emissions, mask, chain)
    marginal = (forward + backward - emissions).log_softmax(1)

    # Log probabilities of the next and of the previous label given a word's tag, and what they sum to where the
    # entity ends or begins there. Shapes (W - 1, L, B), then (W - 1, B).
    left, right = tags[:-1], tags[1:]
    following = (_rows(chain.transitions, left) + backward[1:]).log_softmax(1)
    preceding = (_rows(chain.transitions.t(), right) + forward[:-1]).log_softmax(1)
    leaves = following.masked_fill(_rows(continues, left), -torch.inf).logsumexp(1)
    enters = preceding.masked_fill(_rows(continues.t(), right), -torch.inf).logsumexp(1)

    entity = inside[tags] & mask
    continued = continues[left, right] & mask[1:]
    no, zero = torch.zeros_like(mask[:1]), torch.zeros_like(emissions[:1, 0])
    first = entity & ~torch.cat([no, continued])
    last = entity & ~torch.cat([continued, no])
    begin = marginal.gather(1, tags.unsqueeze(1)).squeeze(1) + torch.cat([zero, enters])
    carry = torch.cat([zero, following.gather(1, right.unsqueeze(1)).squeeze(1)])
    leave = torch.cat([leaves, zero]).masked_fill(~torch.cat([mask[1:], no]), 0)
    factors = torch.where(first, begin, carry) + leave.masked_fill(~last, 0)

    positions = torch.arange(mask.shape[0], device=mask.device).unsqueeze(1)
    first_word = (positions * first).cummax(0).values
    total = torch.zeros_like(factors).scatter_add(0, first_word, factors.masked_fill(~entity, 0))
    return total.exp().clamp_max(1).masked_fill(~first, 0).t()[:, :words]


class _NegativeLogLikelihood(torch.autograd.Function):
    """Minus log likelihood whose gradient is expected minus observed counts, from one forward-backward pass."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, emissions: Tensor, tags: Tensor, mask: Tensor, start: Tensor, transitions: Tensor, end: Tensor
    ) -> Tensor:
        forward, backward = _forward_backward(emissions, mask, Chain(start, transitions, end))
        real = mask.to(emissions.dtype)
        last = (mask.sum(0, keepdim=True) - 1).clamp_min(0)
        pairs = tags[:-1] * len(start) + tags[1:]

        final = forward.gather(0, last.unsqueeze(1).expand_as(forward[:1]))[0] + end.unsqueeze(1)
        score = (emissions.gather(1, tags.unsqueeze(1)).squeeze(1) * real).sum(0)
        score = score + (transitions.flatten()[pairs] * real[1:]).sum(0)
        score = score + start[tags[0]] + end[tags.gather(0, last)[0]]

        # Expected counts, of labels and of pairs of labels, less the observed ones.
        paths = forward + backward - emissions
        total = paths.logsumexp(1, keepdim=True)
        words = (paths - total).exp().scatter_add(1, tags.unsqueeze(1), -torch.ones_like(real).unsqueeze(1))
        lefts = forward * LOG2_E
        rights = (backward - total).mul_(LOG2_E).masked_fill_(~mask.unsqueeze(1), -torch.inf)
        between = (transitions * LOG2_E).unsqueeze(-1)
        counts = torch.zeros_like(real[0]).expand(*transitions.shape, -1)
        for left, right in zip(lefts[:-1].split(BLOCK), rights[1:].split(BLOCK), strict=True):
            counts = counts + (left.unsqueeze(2) + between + right.unsqueeze(1)).exp2().sum(0)
        counts = counts.flatten(0, 1).scatter_add(0, pairs, -real[1:]).view_as(counts)
        ctx.save_for_backward(words * real.unsqueeze(1), counts, last)
        return (final.logsumexp(0) - score) * real[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        words, counts, last = ctx.saved_tensors  # type: ignore[attr-defined]
        words = words * gradient
        end = words.gather(0, last.unsqueeze(1).expand_as(words[:1]))[0].sum(1)
        return words, None, None, words[0].sum(1), (counts * gradient).sum(2), end


def _words_first(emissions: Tensor, mask: Tensor, chain: Chain) -> tuple[Tensor, Tensor, Chain]:
    """Copy emissions to ``(W, L, B)`` and the mask to ``(W, B)``, with W at least 1, in float32 or float64.

    Each word's largest emission is subtracted, which changes no probability and keeps sums small.
    """
    dtype = torch.promote_types(torch.promote_types(emissions.dtype, chain.transitions.dtype), torch.float32)
    if emissions.shape[1] == 0:
        emissions, mask = pad(emissions, (0, 0, 0, 1)), pad(mask, (0, 1))
    mask = mask.t()
    emissions = emissions.permute(1, 2, 0).to(dtype, copy=True, memory_format=torch.contiguous_format)
    emissions.masked_fill_(~mask.unsqueeze(1), 0)
    emissions -= emissions.detach().amax(1, keepdim=True)
    return emissions, mask, Chain(*(part.to(dtype) for part in chain))


def _reversed(values: Tensor, mask: Tensor) -> Tensor:
    """Reverse the real words of each post, ``(W, L, B)``; its own inverse."""
    positions = torch.arange(values.shape[0], device=values.device).unsqueeze(1)
    index = (mask.sum(0) - 1 - positions) % values.shape[0]
    return values.gather(0, index.unsqueeze(1).expand_as(values))


def _forward_backward(emissions: Tensor, mask: Tensor, chain: Chain) -> tuple[Tensor, Tensor]:
    """Sum over all paths up to and from each label of each word, the word's own emission in both.

    The backward sums are forward sums of the reversed posts, so one loop makes both. Both are ``(W, L, B)``, in log
    space, and meaningless where ``mask`` is false.
    """
    steps = torch.stack([emissions, _reversed(emissions, mask)], dim=1).mul_(LOG2_E).unbind()
    transitions = (torch.stack([chain.transitions, chain.transitions.t()]) * LOG2_E).unsqueeze(-1)
    sums = [(torch.stack([chain.start, chain.end]) * LOG2_E).unsqueeze(-1) + steps[0]]
    for step in steps[1:]:
        scores = sums[-1].unsqueeze(2) + transitions
        largest = scores.detach().amax(1, keepdim=True)
        sums.append((scores - largest).exp2().sum(1).log2() + largest.squeeze(1) + step)
    forward, backward = torch.stack(sums).div_(LOG2_E).unbind(1)
    return forward, _reversed(backward, mask)


def _rows(table: Tensor, tags: Tensor) -> Tensor:
    """Look up the row of each tag, ``(W, B)``, in a table ``(L, L)``: shape ``(W, L, B)``."""
    return table[tags].transpose(1, 2)

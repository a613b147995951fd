"""Exact inference in a linear chain: likelihood, best path, marginals, probability of an entity.

A chain scores a tag sequence by an emission for each word, a transition for each pair of neighbours, and a score for
the first and the last tag (Lafferty et al. 2001). All posts are processed at once, in a loop over word positions only;
no value is read from the device. Sums of exponentials subtract each sum's own maximum, so that scores of any size and
forbidden transitions are handled as in exact arithmetic. With many labels and no forbidden transition, the likelihood
is computed by matrix products instead, which subtract one maximum per post.

Internally, tensors have the words first and the posts last, ``(W, L, B)``: reductions over labels then run along
contiguous posts, which a CPU vectorises. Masks are prefixes: the real words of a post come first.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.functional import pad

from mner.decoders.entity_probability import Spelling, entity_slots, sum_spellings

LOG2_E = math.log2(math.e)
"""Converts scores to base 2: on a CPU, ``exp2`` is faster than ``exp``, thirtyfold where it underflows."""

BLOCK = 8
"""Number of word positions whose label pairs are in memory at once, so that they fit into a CPU's cache."""


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


def negative_log_likelihood(
    emissions: Tensor, tags: Tensor, mask: Tensor, chain: Chain, products: bool = False
) -> Tensor:
    """Compute minus the log probability of each post's tags.

    Args:
        emissions: Scores of the labels of each word, shape ``(B, W, L)``.
        tags: Label index of each word, shape ``(B, W)``; anything where ``mask`` is false.
        mask: True where a word is real, shape ``(B, W)``.
        chain: Start, transition and end scores.
        products: Sum over labels by matrix products: faster with many labels, and exact as long as the transition
            scores differ by less than about 80, which excludes forbidden transitions.

    Returns:
        Shape ``(B,)``; zero for a post without words. Differentiable once.
    """
    emissions, mask, chain = _words_first(emissions, mask, chain)
    tags = pad(tags, (0, mask.shape[0] - tags.shape[1])).t().masked_fill(~mask, 0)
    losses: Tensor = _NegativeLogLikelihood.apply(emissions, tags, mask, *chain, products)
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

    # An additional label, "end of post", is certain on padding and impossible on words, and the label before it gets
    # the end score, so the backtrace needs no special case for posts of different lengths.
    scores = pad(scores.transpose(1, 2), (0, 1), value=torch.inf)
    scores[:, :, over].masked_fill_(mask, -torch.inf)
    before = pad(chain.transitions.t(), (0, 1, 0, 1))
    before[over, :over] = chain.end
    path = [torch.full_like(mask[0], over, dtype=torch.long)]
    for score in reversed(scores.unbind()):
        path.append(before.index_select(0, path[-1]).add_(score).argmax(1))
    return torch.stack(path[:0:-1]).masked_fill(~mask, 0).t()[:, :words]


def log_marginals(emissions: Tensor, mask: Tensor, chain: Chain) -> Tensor:
    """Compute the log probability of each label of each word, given the whole post.

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
    marginals = (forward + backward - emissions).log_softmax(1).masked_fill(~mask.unsqueeze(1), 0)
    return marginals.permute(2, 0, 1)[:, :words]


@torch.no_grad()
def entity_probability(emissions: Tensor, mask: Tensor, tags: Tensor, chain: Chain, spelling: Spelling) -> Tensor:
    """Compute the probability of each entity that a tag sequence encodes.

    That is the probability that the post has an entity of this type with these boundaries, under any spelling. In a
    chain it factorises exactly: the marginal of the first tag, times the probability of each further tag given the tag
    before it, times the conditions at both boundaries, summed over the spellings.

    Args:
        emissions: Scores of the labels of each word, shape ``(B, W, L)``.
        mask: True where a word is real, shape ``(B, W)``.
        tags: Label index of each word, shape ``(B, W)``: a decoded sequence, or the gold one.
        chain: Start, transition and end scores.
        spelling: How the labels encode entities.

    Returns:
        Shape ``(B, W)``: the probability at the first word of each entity, zero at every other word.
    """
    words = emissions.shape[1]
    emissions, mask, chain = _words_first(emissions, mask, chain)
    tags = pad(tags, (0, mask.shape[0] - words)).t().masked_fill(~mask, 0)
    slots = entity_slots(tags, mask, spelling)
    forward, backward = _forward_backward(emissions, mask, chain)
    marginal = (forward + backward - emissions).softmax(1).gather(1, slots.labels)

    # Probabilities of the next and of the previous label given each slot's label, shape (W - 1, L, S, B), and their
    # sums where the entity ends or begins there, (W - 1, S, B).
    left, right = slots.labels[:-1], slots.labels[1:]
    following = (_rows(chain.transitions, left) + backward[1:].unsqueeze(2)).softmax(1)
    preceding = (_rows(chain.transitions.t(), right) + forward[:-1].unsqueeze(2)).softmax(1)
    continued = _rows(spelling.continues, left)
    enters = preceding.masked_fill(_rows(spelling.continues.t(), right), 0).sum(1)
    leaves = following.masked_fill(continued, 0).sum(1).masked_fill(~mask[1:].unsqueeze(1), 1)

    target = right.unsqueeze(2).expand(-1, -1, left.shape[1], -1)
    step = (following * continued).gather(1, target).masked_fill(~slots.valid[1:].unsqueeze(2), 0)
    one = torch.ones_like(marginal[:1])
    begin, leave = marginal * torch.cat([one, enters]), torch.cat([leaves, one])
    return sum_spellings(begin, step.transpose(1, 2), leave, slots).t()[:, :words]


class _NegativeLogLikelihood(torch.autograd.Function):
    """Negative log-likelihood whose gradient, expected minus observed counts, takes one forward-backward pass."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        emissions: Tensor,
        tags: Tensor,
        mask: Tensor,
        start: Tensor,
        transitions: Tensor,
        end: Tensor,
        products: bool,
    ) -> Tensor:
        """Compute the losses, shape ``(B,)``, of emissions ``(W, L, B)``, tags ``(W, B)`` and mask ``(W, B)``."""
        forward, backward = _forward_backward(emissions, mask, Chain(start, transitions, end), products)
        real = mask.to(emissions.dtype)
        last = (mask.sum(0, keepdim=True) - 1).clamp_min(0)
        pairs = tags[:-1] * len(start) + tags[1:]

        final = forward.gather(0, last.unsqueeze(1).expand_as(forward[:1]))[0] + end.unsqueeze(1)
        score = (emissions.gather(1, tags.unsqueeze(1)).squeeze(1) * real).sum(0)
        score = score + (transitions.flatten()[pairs] * real[1:]).sum(0)
        score = score + start[tags[0]] + end[tags.gather(0, last)[0]]

        # Expected minus observed counts, of labels and of label pairs.
        paths = forward + backward - emissions
        total = paths.logsumexp(1, keepdim=True)
        words = (paths - total).exp().scatter_add(1, tags.unsqueeze(1), -torch.ones_like(real).unsqueeze(1))
        lefts = forward[:-1] * LOG2_E
        rights = (backward - total)[1:].mul_(LOG2_E).masked_fill_(~mask[1:].unsqueeze(1), -torch.inf)
        between = transitions * LOG2_E
        if products:
            largest = lefts.amax(1, keepdim=True)
            counts = [(lefts - largest).exp2_(), rights.add_(largest).exp2_(), between.exp2()]
        else:
            counts = [_expected_pairs(lefts, rights, between)]
        ctx.save_for_backward(words * real.unsqueeze(1), last, pairs, real, *counts)
        return (final.logsumexp(0) - score) * real[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        words, last, pairs, real, *counts = ctx.saved_tensors  # type: ignore[attr-defined]
        words = words * gradient
        end = words.gather(0, last.unsqueeze(1).expand_as(words[:1]))[0].sum(1)
        if len(counts) == 1:
            transitions = (counts[0] * gradient).sum(2)
        else:
            lefts, rights, between = counts
            transitions = torch.einsum("wib,wjb->ij", lefts, rights * gradient) * between
        observed = (real[1:] * gradient).flatten()
        transitions = transitions.flatten().scatter_add(0, pairs.flatten(), -observed).view_as(transitions)
        return words, None, None, words[0].sum(1), transitions, end, None


def _expected_pairs(lefts: Tensor, rights: Tensor, between: Tensor) -> Tensor:
    """Sum the probabilities of each pair of neighbouring labels over the words of each post, shape ``(L, L, B)``.

    Args:
        lefts: Forward sums of the left words, in base-2 logarithms, shape ``(W - 1, L, B)``.
        rights: Backward sums of the right words, minus the total, shape ``(W - 1, L, B)``.
        between: Transitions, shape ``(L, L)``.
    """
    between = between.unsqueeze(-1)
    counts = lefts.new_zeros(len(between), len(between), lefts.shape[2])
    for left, right in zip(lefts.split(BLOCK), rights.split(BLOCK), strict=True):
        counts = counts + (left.unsqueeze(2) + between + right.unsqueeze(1)).exp2().sum(0)
    return counts


def _words_first(emissions: Tensor, mask: Tensor, chain: Chain) -> tuple[Tensor, Tensor, Chain]:
    """Copy emissions to ``(W, L, B)`` and the mask to ``(W, B)``, with W at least 1, in float32 or float64.

    Each word's largest emission is subtracted, which changes no probability and keeps the sums small.
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


def _forward_backward(emissions: Tensor, mask: Tensor, chain: Chain, products: bool = False) -> tuple[Tensor, Tensor]:
    """Sum over all paths up to and from each label of each word, the word's own emission in both.

    The backward sums are forward sums of the reversed posts, so one loop computes both. Both are ``(W, L, B)``, in log
    space, and undefined where ``mask`` is false.
    """
    steps = torch.stack([emissions, _reversed(emissions, mask)], dim=1).mul_(LOG2_E).unbind()
    transitions = torch.stack([chain.transitions, chain.transitions.t()]) * LOG2_E
    sums = [(torch.stack([chain.start, chain.end]) * LOG2_E).unsqueeze(-1) + steps[0]]
    if products:
        shift = transitions.detach().amax()
        weights = (transitions - shift).exp2().transpose(1, 2)
        tiny = torch.finfo(weights.dtype).tiny
        for step in steps[1:]:
            largest = sums[-1].detach().amax(1, keepdim=True)
            total = weights @ (sums[-1] - largest).exp2()
            sums.append(total.clamp_min(tiny).log2() + largest + (step + shift))
    else:
        for step in steps[1:]:
            scores = sums[-1].unsqueeze(2) + transitions.unsqueeze(-1)
            largest = scores.detach().amax(1, keepdim=True)
            sums.append((scores - largest).exp2().sum(1).log2() + largest.squeeze(1) + step)
    forward, backward = torch.stack(sums).div_(LOG2_E).unbind(1)
    return forward, _reversed(backward, mask)


def _rows(table: Tensor, labels: Tensor) -> Tensor:
    """Look up the row of each label, ``(W, S, B)``, in a table ``(L, L)``: shape ``(W, L, S, B)``."""
    return table[labels].permute(0, 3, 1, 2)

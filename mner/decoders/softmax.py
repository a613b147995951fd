"""The softmax decoder, which labels each word independently."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mner.decoders.chain_decoder import ChainDecoder, Constraints
from mner.decoders.decoder import Reduction
from mner.decoders.entity_probability import entity_slots, sum_spellings
from mner.decoders.linear_chain import Chain

IGNORED = -100


class Softmax(ChainDecoder):
    """Cross-entropy and the best label of each word; with constraints, a chain with zero transition scores.

    The baseline for a :class:`CRF`. With ``constraints: decode`` it finds the best sequence that the scheme allows.

    Args:
        reduction: How the losses of the posts are combined: ``token_mean`` over words, ``mean`` over posts, ``sum``.
        constraints: Where to rule out transitions that the scheme forbids: ``none``, ``decode`` or ``both``; see
            :class:`ChainDecoder` on gold tags that contain such transitions.
        temperature: Divides all scores in marginals and confidences; see :class:`ChainDecoder`.

    Example:
        >>> softmax = Softmax(constraints="decode")
        >>> softmax.bind(["O", "B-PER", "I-PER"])
        >>> softmax.decode(torch.tensor([[[1.0, 0.5, 0.0], [0.0, 0.0, 2.0]]]), torch.tensor([[True, True]])).tolist()
        [[1, 2]]
    """

    def __init__(
        self, reduction: Reduction = "token_mean", constraints: Constraints = "none", temperature: float = 1.0
    ) -> None:
        super().__init__(reduction, constraints, temperature)

    def chain(self) -> Chain:
        """Return zeros."""
        nothing = torch.zeros_like(self.forbidden_transitions)
        return Chain(nothing[0], nothing, nothing[0])

    def negative_log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Compute the sum of the words' cross-entropies, shape ``(B,)``; see the base class."""
        if self.constraints == "both":
            return super().negative_log_likelihood(emissions, tags, mask)
        self.check(emissions, mask, tags)
        scores, target = _real(emissions, mask).flatten(0, 1), tags.masked_fill(~mask, IGNORED).flatten()
        return cross_entropy(scores, target, ignore_index=IGNORED, reduction="none").view_as(tags).sum(1)

    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Choose the best label of each word, shape ``(B, W)``; see the base class."""
        if self.constraints != "none":
            return super().decode(emissions, mask)
        self.check(emissions, mask)
        return emissions.argmax(2).masked_fill(~mask, 0)

    def log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Compute each word's label log probabilities, shape ``(B, W, L)``; see the base class."""
        if self.constraints != "none":
            return super().log_marginals(emissions, mask)
        self.check(emissions, mask)
        return (_real(emissions, mask) / self.temperature).log_softmax(2).masked_fill(~mask.unsqueeze(2), 0)

    @torch.no_grad()
    def confidence(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """Compute the exact probability of each entity, shape ``(B, W)``; see the base class."""
        if self.constraints != "none" or not mask.shape[1]:
            return super().confidence(emissions, mask, tags)
        self.check(emissions, mask, tags)
        # Words first, padding with probability zero, so that no entity continues into it.
        probabilities = self.marginals(emissions, mask).permute(1, 2, 0)
        slots = entity_slots(tags.masked_fill(~mask, 0).t(), mask.t(), self.spelling)
        own, continued = probabilities.gather(1, slots.labels), self.continues.to(probabilities.dtype)
        one = torch.ones_like(own[:1])
        ran_into = (continued.t() @ probabilities[:-1]).gather(1, slots.labels[1:])
        runs_on = (continued @ probabilities[1:]).gather(1, slots.labels[:-1])
        allowed = self.continues[slots.labels[:-1].unsqueeze(2), slots.labels[1:].unsqueeze(1)]
        step = (own * slots.valid)[1:].unsqueeze(1) * allowed
        begin, leave = own * torch.cat([one, 1 - ran_into]), torch.cat([1 - runs_on, one])
        return sum_spellings(begin, step, leave, slots).t()


def _real(emissions: Tensor, mask: Tensor) -> Tensor:
    """Return the emissions in at least float32, zero on padding, where they may be anything."""
    return emissions.to(torch.promote_types(emissions.dtype, torch.float32)).masked_fill(~mask.unsqueeze(2), 0)

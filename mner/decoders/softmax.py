"""The softmax decoder: every word's label by itself."""

from __future__ import annotations

import torch

from mner.decoders.chain_decoder import ChainDecoder, Constraints
from mner.decoders.decoder import Reduction
from mner.decoders.linear_chain import Chain


class Softmax(ChainDecoder):
    """Cross entropy of each word, and its best label: the chain in which neighbours score nothing.

    The baseline for a :class:`CRF`. With ``constraints: decode`` it finds the best sequence that the scheme allows.

    Args:
        reduction: How the loss joins the posts: ``token_mean`` over words, ``mean`` over posts, or ``sum``.
        constraints: Where to rule out transitions that the scheme forbids: ``none``, ``decode`` or ``both``; see
            :class:`ChainDecoder` on gold tags that hold such transitions.

    Example:
        >>> softmax = Softmax(constraints="decode")
        >>> softmax.bind(["O", "B-PER", "I-PER"])
        >>> softmax.decode(torch.tensor([[[1.0, 0.5, 0.0], [0.0, 0.0, 2.0]]]), torch.tensor([[True, True]])).tolist()
        [[1, 2]]
    """

    def __init__(self, reduction: Reduction = "token_mean", constraints: Constraints = "none") -> None:
        super().__init__(reduction, constraints)

    def chain(self) -> Chain:
        """Give zeros."""
        nothing = torch.zeros_like(self.forbidden_transitions)
        return Chain(nothing[0], nothing, nothing[0])

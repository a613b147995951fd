"""The conditional random field: the tags of a post chosen together, by learned scores of neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mner.decoders.chain_decoder import ChainDecoder, Constraints
from mner.decoders.decoder import Reduction
from mner.decoders.linear_chain import Chain


class CRF(ChainDecoder):
    r"""A linear-chain conditional random field over words (Lafferty et al. 2001; Lample et al. 2016, section 2.2).

    .. math::
        p(y \mid x) \propto \exp\Big(s_{y_1} + \sum_t E_{t, y_t} + \sum_{t > 1} T_{y_{t-1}, y_t} + e_{y_W}\Big)

    with emissions :math:`E`, and parameters named, shaped and initialised as pytorch-crf's: ``start_transitions``
    and ``end_transitions`` ``(L,)``, ``transitions`` ``(L, L)``, from the row's label to the column's. It computes
    in float32 at least, also under autocast.

    Args:
        reduction: How the loss joins the posts: ``mean`` over posts, ``token_mean`` over words, or ``sum``.
        constraints: Where to rule out transitions that the scheme forbids: ``none``, ``decode`` or ``both``; see
            :class:`ChainDecoder` on gold tags that hold such transitions.

    Example:
        >>> crf = CRF()
        >>> crf.bind(["O", "B-PER", "I-PER"])
        >>> emissions = torch.tensor([[[0.0, 5.0, 1.0], [0.0, 1.0, 5.0], [9.0, 0.0, 0.0]]])
        >>> crf.decode(emissions, torch.tensor([[True, True, False]])).tolist()
        [[1, 2, 0]]
    """

    def __init__(self, reduction: Reduction = "mean", constraints: Constraints = "none") -> None:
        super().__init__(reduction, constraints)

    def bind(self, labels: Sequence[str]) -> None:
        """Make the parameters for these labels, uniform between -0.1 and 0.1; see :meth:`Decoder.bind`."""
        super().bind(labels)
        size = len(labels)
        self.start_transitions = nn.Parameter(torch.empty(size).uniform_(-0.1, 0.1))
        self.end_transitions = nn.Parameter(torch.empty(size).uniform_(-0.1, 0.1))
        self.transitions = nn.Parameter(torch.empty(size, size).uniform_(-0.1, 0.1))

    def chain(self) -> Chain:
        """Give the parameters."""
        return Chain(self.start_transitions, self.transitions, self.end_transitions)

"""The conditional random field: the tags of a post are decoded jointly, with learned transition scores."""

from __future__ import annotations

from collections.abc import Sequence

import torchcrf
from torch import nn

from mner.decoders.chain_decoder import ChainDecoder, Constraints
from mner.decoders.decoder import Reduction
from mner.decoders.linear_chain import Chain


class CRF(ChainDecoder):
    r"""A linear-chain conditional random field over words (Lafferty et al. 2001; Lample et al. 2016, section 2.2).

    .. math::
        p(y \mid x) \propto \exp\Big(s_{y_1} + \sum_t E_{t, y_t} + \sum_{t > 1} T_{y_{t-1}, y_t} + e_{y_W}\Big)

    with emissions :math:`E`. The parameters are those of a ``torchcrf.CRF`` (pytorch-crf): ``start_transitions`` and
    ``end_transitions`` ``(L,)``, ``transitions`` ``(L, L)``, from the row's label to the column's. State dicts are
    exchangeable in both directions, and :meth:`as_torchcrf` shares them. Its loss and decoding are replaced by
    faster ones (``benchmarks/crf.py``), which compute in at least float32, also under autocast.

    Args:
        reduction: How the losses of the posts are combined: ``mean`` over posts, ``token_mean`` over words, ``sum``.
        constraints: Where to rule out transitions that the scheme forbids: ``none``, ``decode`` or ``both``; see
            :class:`ChainDecoder` on gold tags that contain such transitions.
        temperature: Divides all scores in marginals and confidences; see :class:`ChainDecoder`.

    Example:
        >>> import torch
        >>> crf = CRF()
        >>> crf.bind(["O", "B-PER", "I-PER"])
        >>> emissions = torch.tensor([[[0.0, 5.0, 1.0], [0.0, 1.0, 5.0], [9.0, 0.0, 0.0]]])
        >>> crf.decode(emissions, torch.tensor([[True, True, False]])).tolist()
        [[1, 2, 0]]
    """

    start_transitions: nn.Parameter
    transitions: nn.Parameter
    end_transitions: nn.Parameter

    def __init__(
        self, reduction: Reduction = "mean", constraints: Constraints = "none", temperature: float = 1.0
    ) -> None:
        super().__init__(reduction, constraints, temperature)

    def bind(self, labels: Sequence[str]) -> None:
        """Create the parameters for these labels, initialised by torchcrf; see :meth:`Decoder.bind`."""
        super().bind(labels)
        for name, parameter in torchcrf.CRF(len(labels), batch_first=True).named_parameters():
            self.register_parameter(name, parameter)

    def as_torchcrf(self) -> torchcrf.CRF:
        """Return a ``torchcrf.CRF`` with ``batch_first=True`` that shares the parameters."""
        peer = torchcrf.CRF(len(self.labels), batch_first=True)
        for name, parameter in self.named_parameters():
            peer.register_parameter(name, parameter)
        return peer

    def chain(self) -> Chain:
        """Return the parameters."""
        return Chain(self.start_transitions, self.transitions, self.end_transitions)

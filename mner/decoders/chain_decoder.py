"""The base of the linear-chain decoders: everything except the transition scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from mner.decoders import linear_chain
from mner.decoders.decoder import Decoder, Reduction
from mner.decoders.linear_chain import Chain
from mner.labels import check_choice, legal_transitions

Constraints = Literal["none", "decode", "both"]

FORBIDDEN = -1e6
"""Score of a transition that the scheme forbids: below any emission, yet finite, so that every loss is finite."""

MANY_LABELS = 50
"""Above so many labels, matrix products compute the loss faster (``benchmarks/crf.py``)."""


class ChainDecoder(Decoder):
    """Decodes by exact inference in a linear chain; a subclass defines the transition scores.

    Args:
        reduction: How the losses of the posts are combined: ``mean`` over posts, ``token_mean`` over words, ``sum``.
        constraints: Where transitions that the tagging scheme forbids are ruled out: ``none``; ``decode``, that is
            in tags, marginals and confidences; or ``both``, also in the training loss. Gold tags may contain such
            transitions (186 in Twitter-2015's training set): with ``both``, each adds a million to the loss and
            cannot be learned, so repair the tags first (:func:`mner.labels.repair`) or choose ``decode``.
            A trained decoder can be scored with another setting: ``model.decoder.constraints = "decode"``.

    Raises:
        ConfigurationError: If an option is unknown.
    """

    forbidden_start: Tensor
    forbidden_transitions: Tensor
    forbidden_end: Tensor

    def __init__(self, reduction: Reduction, constraints: Constraints) -> None:
        super().__init__(reduction)
        self.constraints = constraints

    @property
    def constraints(self) -> Constraints:
        """Where forbidden transitions are ruled out; can be set at any time, and is saved in a checkpoint.

        Raises:
            ConfigurationError: If set to an unknown value.
        """
        return self._constraints

    @constraints.setter
    def constraints(self, constraints: Constraints) -> None:
        check_choice("constraints", constraints, get_args(Constraints))
        self._constraints = constraints

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Save the constraints that are set now; see the base class."""
        arguments = super().checkpoint_arguments()
        return {**arguments, "constraints": self.constraints} if "constraints" in arguments else arguments

    @abstractmethod
    def chain(self) -> Chain:
        """Return the start, transition and end scores of the bound labels, before any constraint."""

    def bind(self, labels: Sequence[str]) -> None:
        """Derive the transitions that the labels' scheme allows; see :meth:`Decoder.bind`."""
        super().bind(labels)
        names = "forbidden_start", "forbidden_transitions", "forbidden_end"
        for name, legal in zip(names, legal_transitions(labels), strict=True):
            self.register_buffer(name, ~torch.tensor(legal) * FORBIDDEN, persistent=False)

    def negative_log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Compute minus the log probability of each post's tags, shape ``(B,)``; see the base class."""
        self.check(emissions, mask, tags)
        constrained = self.constraints == "both"
        products = len(self.labels) > MANY_LABELS and not constrained
        return linear_chain.negative_log_likelihood(emissions, tags, mask, self._chain(constrained), products)

    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Find the most probable tags of each post, shape ``(B, W)``; see the base class."""
        self.check(emissions, mask)
        return linear_chain.best_path(emissions, mask, self._chain(self.constraints != "none"))

    def log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Compute each word's label log probabilities given its post, ``(B, W, L)``; see the base class."""
        self.check(emissions, mask)
        return linear_chain.log_marginals(emissions, mask, self._chain(self.constraints != "none"))

    def confidence(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """Compute the exact probability of each entity, shape ``(B, W)``; see the base class."""
        self.check(emissions, mask, tags)
        chain = self._chain(self.constraints != "none")
        return linear_chain.entity_probability(emissions, mask, tags, chain, self.spelling)

    def _chain(self, constrained: bool) -> Chain:
        chain = self.chain()
        if not constrained:
            return chain
        return Chain(
            chain.start + self.forbidden_start,
            chain.transitions + self.forbidden_transitions,
            chain.end + self.forbidden_end,
        )

"""The base of the linear-chain decoders: everything except the transition scores."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from mner.decoders import linear_chain
from mner.decoders.decoder import Decoder, Reduction
from mner.decoders.linear_chain import Chain
from mner.decoders.n_best import best_paths
from mner.errors import ConfigurationError
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
        temperature: Divides all scores in marginals and confidences, not in tags and losses: above 1, confidences are
            lower. Fitted by :func:`mner.inference.calibrate.fit_temperature`.

    Raises:
        ConfigurationError: If an option is unknown, or the temperature is not positive.
    """

    forbidden_start: Tensor
    forbidden_transitions: Tensor
    forbidden_end: Tensor

    def __init__(self, reduction: Reduction, constraints: Constraints, temperature: float) -> None:
        super().__init__(reduction)
        self.constraints = constraints
        self.temperature = temperature

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

    @property
    def temperature(self) -> float:
        """What divides all scores in marginals and confidences; can be set at any time, and is saved in a checkpoint.

        Raises:
            ConfigurationError: If set to a number that is not positive and finite.
        """
        return self._temperature

    @temperature.setter
    def temperature(self, temperature: float) -> None:
        if not (isinstance(temperature, (int, float)) and 0 < temperature < math.inf):
            raise ConfigurationError(f"expected a temperature greater than 0, got {temperature!r}; 1 changes nothing")
        self._temperature = float(temperature)

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Save the constraints and the temperature that are set now; see the base class."""
        arguments = super().checkpoint_arguments()
        now = {"constraints": self.constraints, "temperature": self.temperature}
        return {**arguments, **{name: value for name, value in now.items() if name in arguments}}

    @abstractmethod
    def chain(self) -> Chain:
        """Return the start, transition and end scores of the bound labels, before any constraint."""

    def decoding_chain(self) -> Chain:
        """Return the scores by which tags are decoded, constraints included, before the temperature."""
        return self._chain(self.constraints != "none")

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
        return linear_chain.best_path(emissions, mask, self.decoding_chain())

    def log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Compute each word's label log probabilities given its post, ``(B, W, L)``; see the base class."""
        self.check(emissions, mask)
        return linear_chain.log_marginals(*self._tempered(emissions, mask))

    def confidence(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """Compute the exact probability of each entity, shape ``(B, W)``; see the base class."""
        self.check(emissions, mask, tags)
        emissions, mask, chain = self._tempered(emissions, mask)
        return linear_chain.entity_probability(emissions, mask, tags, chain, self.spelling)

    def calibrated_loss(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Compute minus the log probability of each post's tags at the temperature, without constraints.

        Arguments are those of :meth:`negative_log_likelihood`.

        Returns:
            Shape ``(B,)``.
        """
        self.check(emissions, mask, tags)
        return self._likelihood(emissions, tags, mask, constrained=False)

    def n_best(self, emissions: Tensor, mask: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Find the n most probable tag sequences of each post.

        Args:
            emissions: Scores, shape ``(B, W, L)``.
            mask: True where a word is real, shape ``(B, W)``.
            n: Number of sequences.

        Returns:
            Label indices, shape ``(B, n, W)``, zero where ``mask`` is false, and the probability of each sequence,
            shape ``(B, n)``, in descending order; zero where a post has fewer sequences.
        """
        self.check(emissions, mask)
        constrained = self.constraints != "none"
        tags, exists = best_paths(emissions, mask, self._chain(constrained), n)
        losses = [self._likelihood(emissions, each, mask, constrained=constrained) for each in tags.unbind(1)]
        return tags, torch.stack(losses, 1).neg().exp().masked_fill(~exists, 0)

    def _likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor, *, constrained: bool) -> Tensor:
        chain = Chain(*(part / self.temperature for part in self._chain(constrained)))
        return linear_chain.negative_log_likelihood(emissions / self.temperature, tags, mask, chain)

    def _tempered(self, emissions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Chain]:
        chain = self.decoding_chain()
        if self.temperature == 1:
            return emissions, mask, chain
        wide = emissions.to(torch.promote_types(emissions.dtype, torch.float32))
        return wide / self.temperature, mask, Chain(*(part / self.temperature for part in chain))

    def _chain(self, constrained: bool) -> Chain:
        chain = self.chain()
        if not constrained:
            return chain
        return Chain(
            chain.start + self.forbidden_start,
            chain.transitions + self.forbidden_transitions,
            chain.end + self.forbidden_end,
        )

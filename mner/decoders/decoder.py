"""The contract of a decoder: loss, tags and probabilities from emissions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from mner.components import Component
from mner.decoders.entity_probability import Spelling
from mner.errors import ConfigurationError, ShapeError
from mner.labels import check_choice

Reduction = Literal["mean", "token_mean", "sum"]


class Decoder(Component, nn.Module, ABC):
    """Turns emissions, scores of L labels for each word, into tags.

    A config builds a decoder before the labels are known; the fusion module then calls :meth:`bind`, once. Masks are
    prefixes: the real words of a post come first. A post may have no words.

    A subclass creates its parameters in :meth:`bind`, calls :meth:`check` and implements the four abstract methods.
    None may read a value from the device (``item``, ``tolist``, a tensor in an ``if``): that stalls a GPU in every
    batch.

    Once bound, ``labels`` contains the labels, and ``spelling`` how they encode entities.

    Args:
        reduction: How :meth:`loss` combines the losses of the posts: ``mean`` over posts, ``token_mean`` over words,
            ``sum``.

    Raises:
        ConfigurationError: If the reduction is unknown.
    """

    labels: tuple[str, ...] = ()
    with_confidence: bool = True
    """Whether predicted entities have a confidence, which takes a pass over each post; not kept in checkpoints."""
    inside: Tensor
    continues: Tensor
    siblings: Tensor

    def __init__(self, reduction: Reduction) -> None:
        super().__init__()
        check_choice("reduction", reduction, get_args(Reduction))
        self.reduction = reduction

    def bind(self, labels: Sequence[str]) -> None:
        """Fix the labels and create the decoder's parameters.

        Args:
            labels: The labels, in the order of the emissions' last axis.

        Raises:
            ConfigurationError: If the decoder is already bound, or there are no labels.
            LabelError: If the labels are of no scheme that mner reads.
        """
        if self.labels:
            raise ConfigurationError(
                f"expected a new {type(self).__name__}, got one that is already bound to {len(self.labels)} labels; "
                "build one decoder for each model"
            )
        if not labels:
            raise ConfigurationError("expected at least one label, got none; read them from the training tags")
        self.labels = tuple(labels)
        for name, table in Spelling.of(labels)._asdict().items():
            self.register_buffer(name, table, persistent=False)

    @property
    def spelling(self) -> Spelling:
        """How the bound labels encode entities, on the decoder's device."""
        return Spelling(self.inside, self.continues, self.siblings)

    def loss(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Compute the loss of a batch, reduced by ``reduction``.

        Args:
            emissions: Scores, shape ``(B, W, L)``.
            tags: Gold label of each word, shape ``(B, W)``; anything where ``mask`` is false.
            mask: True where a word is real, shape ``(B, W)``.

        Returns:
            A scalar; zero if the batch has no word.

        Raises:
            ConfigurationError: If the decoder is not bound.
            ShapeError: If the shapes disagree with one another or with the labels.
        """
        return self.reduce(self.negative_log_likelihood(emissions, tags, mask), mask)

    def reduce(self, losses: Tensor, mask: Tensor) -> Tensor:
        """Combine losses of posts as :meth:`loss` does.

        Args:
            losses: One per post, shape ``(B,)``.
            mask: True where a word is real, shape ``(B, W)``.

        Returns:
            A scalar; zero if the batch has no word.
        """
        total = losses.sum()
        if self.reduction == "mean":
            return total / max(len(mask), 1)
        return total / mask.sum().clamp_min(1) if self.reduction == "token_mean" else total

    @abstractmethod
    def negative_log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Compute minus the log probability of each post's tags.

        Arguments and errors are those of :meth:`loss`.

        Returns:
            Shape ``(B,)``; zero for a post without words.
        """

    @abstractmethod
    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Find the best tags.

        Args:
            emissions: Scores, shape ``(B, W, L)``.
            mask: True where a word is real, shape ``(B, W)``.

        Returns:
            Label indices, shape ``(B, W)``, zero where ``mask`` is false.

        Raises:
            ConfigurationError: If the decoder is not bound.
            ShapeError: If the shapes disagree with one another or with the labels.
        """

    @abstractmethod
    def log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Compute the log probability of each label of each word.

        Arguments and errors are those of :meth:`decode`.

        Returns:
            Shape ``(B, W, L)``, finite, zero where ``mask`` is false. Differentiable.
        """

    def marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Compute the probability of each label of each word.

        Arguments and errors are those of :meth:`decode`.

        Returns:
            Shape ``(B, W, L)``, zero where ``mask`` is false. Differentiable.
        """
        return self.log_marginals(emissions, mask).exp().masked_fill(~mask.unsqueeze(2), 0)

    @abstractmethod
    def confidence(self, emissions: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """Compute the probability of each entity that ``tags`` encode under ``conlleval``.

        Args:
            emissions: Scores, shape ``(B, W, L)``.
            mask: True where a word is real, shape ``(B, W)``.
            tags: Label indices, shape ``(B, W)``, decoded or gold.

        Returns:
            Shape ``(B, W)``: at the first word of an entity the probability that the post has an entity of this type
            with these boundaries, summed over all tag sequences that encode it; zero at every other word.

        Raises:
            ConfigurationError: If the decoder is not bound.
            ShapeError: If the shapes disagree with one another or with the labels.
        """

    def check(self, emissions: Tensor, mask: Tensor, tags: Tensor | None = None) -> None:
        """Reject inputs whose shapes disagree with one another or with the labels.

        Raises:
            ConfigurationError: If the decoder is not bound.
            ShapeError: If the shapes disagree.
        """
        if not self.labels:
            raise ConfigurationError(
                f"expected labels, got none; call {type(self).__name__}.bind(labels) before its first use"
            )
        if mask.dim() != 2 or emissions.shape != (*mask.shape, len(self.labels)):
            raise ShapeError(
                f"expected a mask (B, W) and emissions (B, W, {len(self.labels)}), "
                f"got {tuple(mask.shape)} and {tuple(emissions.shape)}; give the last layer one output per label"
            )
        if tags is not None and tags.shape != mask.shape:
            raise ShapeError(f"expected tags of shape {tuple(mask.shape)}, like the mask, got {tuple(tags.shape)}")

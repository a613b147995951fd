"""The unified multimodal transformer (UMT): cross-modal attention and auxiliary entity span detection."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from mner.argument_types import check_range
from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.decoders import CRF
from mner.fusion.base import FusionModule
from mner.fusion.cross_attention import CrossAttention
from mner.labels import split_tag


@dataclass
class SpanTextFeatures(TextFeatures):
    """Text features with the span emissions of the auxiliary task, shape ``(B, W, S)``."""

    spans: Tensor | None = None


class UMT(FusionModule):
    r"""Yu et al. 2020, "Improving multimodal named entity recognition via entity span detection with UMT".

    With word states :math:`C` and projected regions :math:`V = W_V I`, :math:`V' = W_V' I`, :math:`\mathrm{Layer}` a
    BERT layer, and :math:`\mathrm{Cross}(q, k)` one with queries from :math:`q` and keys and values from :math:`k`:

    .. math::
        M &= \mathrm{Layer}(C), \quad P = \mathrm{Cross}(M, V), \quad
            Z = \mathrm{Cross}(V', M), \quad R = \mathrm{Cross}(M, Z) \\
        H &= [R ; g \odot P], \quad g = \sigma(W_g [R ; P]) \\
        e &= W_a\, \mathrm{Layer}(C), \quad y = \tfrac12 (W_c H + b_c) + \tfrac12\, e\, T \\
        \mathcal L &= \mathcal L_{\mathrm{decoder}}(y) + \lambda\, \mathcal L_{\mathrm{CRF}}(e)

    The auxiliary task detects entity spans of any type from the text only: :math:`e` scores ``O``, ``B``, ``I`` (and
    ``E``, ``S`` under BIOES). The fixed matrix :math:`T` distributes the score of a prefix evenly over the labels with
    that prefix. Hyper-parameters of the paper: learning rate 5e-5, warm-up ratio 0.1, batch size 32, a frozen
    ResNet-152.

    Choices:

    * As in the authors' code, the residual connection of each cross layer comes from its query, and :math:`V'` is a
      separate projection.
    * The CRFs run over words, the authors' over subwords.
    * A post without an image has no keys in :math:`P` and :math:`R`, whose attention output is then zero, and
      :math:`g = 0`.

    Args:
        heads: Number of attention heads per layer; by default such that each is about 64 wide.
        auxiliary_weight: :math:`\lambda`, the weight of the span loss.
        layer_dropout: Dropout in each layer.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If ``heads`` does not divide the text encoder's width, or a number is out of range.
    """

    conversion: Tensor
    span_of_label: Tensor

    def __init__(
        self, heads: int | None = None, auxiliary_weight: float = 0.5, layer_dropout: float = 0.1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_range("auxiliary_weight", auxiliary_weight, "[0, inf)")
        check_range("layer_dropout", layer_dropout, "[0, 1)")
        width = self.text_encoder.hidden_size
        self.auxiliary_weight = auxiliary_weight
        self.project_image = nn.Linear(self.image_width, width)
        self.project_image_queries = nn.Linear(self.image_width, width)
        layer = partial(CrossAttention, width, heads, layer_dropout)
        self.main_layer, self.image_to_words, self.words_to_image, self.image_words_to_words = (
            layer() for _ in range(4)
        )
        self.gate = nn.Linear(2 * width, width)

        conversion = conversion_matrix(self.labels)
        self.register_buffer("conversion", conversion, persistent=False)
        self.register_buffer("span_of_label", conversion.argmax(dim=0), persistent=False)
        self.span_layer = layer()
        self.span_emissions = nn.Linear(width, len(conversion))
        self.span_decoder = CRF(reduction=self.decoder.reduction)
        self.span_decoder.bind(span_labels(self.labels))

    @property
    def fused_size(self) -> int:
        """Width of the image-aware word and the gated word-aware image, concatenated."""
        return 2 * self.text_encoder.hidden_size

    def encode(self, batch: Batch) -> tuple[TextFeatures, ImageFeatures]:
        """Encode the images and the texts, and score the spans, which both the emissions and the loss use."""
        text, image = super().encode(batch)
        spans = self.span_emissions(self.dropout(self.span_layer(text.words, text.words, text.mask)))
        return SpanTextFeatures(**vars(text), spans=spans), image

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Let words and regions attend to each other.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``, padding in ``text.mask``.
            image: Region states ``(B, R, V)``; ``image.mask`` is false everywhere where a post has no image.

        Returns:
            Fused word states, shape ``(B, W, 2 * D)``.
        """
        regions, queries = self.project_image(image.regions), self.project_image_queries(image.regions)
        main = self.main_layer(text.words, text.words, text.mask)
        visual = self.image_to_words(main, regions, image.mask)
        read = self.words_to_image(queries, main, text.mask)
        words = self.image_words_to_words(main, read, image.mask)
        gate = self.gate(torch.cat([words, visual], dim=-1)).sigmoid() * image.present[:, None, None]
        if self.records_attention:
            self.record_attention(self.image_to_words.weights(main, regions, image.mask), visual=gate)
        return torch.cat([words, gate * visual], dim=-1)

    def emissions(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Score the labels: the mean of the scores from the fused words and from the spans.

        Args:
            text: Text features from :meth:`encode`.
            image: Region features.

        Returns:
            Shape ``(B, W, L)``.
        """
        return (super().emissions(text, image) + self._spans(text) @ self.conversion) / 2

    def auxiliary_loss(
        self, batch: Batch, text: TextFeatures, image: ImageFeatures, emissions: Tensor
    ) -> Tensor | None:
        """Compute the weighted loss of span detection."""
        if batch.tags is None:
            return None
        tags = self.span_of_label[batch.tags]
        return self.auxiliary_weight * self.span_decoder.loss(self._spans(text), tags, batch.word_mask)

    def _spans(self, text: TextFeatures) -> Tensor:
        return cast("Tensor", cast("SpanTextFeatures", text).spans)


def span_labels(labels: list[str]) -> list[str]:
    """List the labels of the auxiliary task: those of a single type for all entities, in the order of their prefixes.

    Example:
        >>> span_labels(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
        ['O', 'B-SPAN', 'I-SPAN']
    """
    prefixes = dict.fromkeys(split_tag(label)[0] for label in labels)
    return [prefix if prefix == "O" else f"{prefix}-SPAN" for prefix in prefixes]


def conversion_matrix(labels: list[str]) -> Tensor:
    """Build the matrix that distributes span scores over labels, shape ``(S, L)``; each row sums to one.

    Example:
        >>> conversion_matrix(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
        tensor([[1.0000, 0.0000, 0.0000, 0.0000, 0.0000],
                [0.0000, 0.5000, 0.0000, 0.5000, 0.0000],
                [0.0000, 0.0000, 0.5000, 0.0000, 0.5000]])
    """
    prefixes = [split_tag(label)[0] for label in labels]
    same = torch.tensor([[prefix == other for other in prefixes] for prefix in dict.fromkeys(prefixes)])
    return same.float() / same.sum(dim=1, keepdim=True)

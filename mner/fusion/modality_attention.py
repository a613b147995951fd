"""Modality attention: each word weights its word vector, its characters and the image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mner.batch import ImageFeatures, TextFeatures
from mner.errors import ConfigurationError
from mner.fusion.attention import masked_softmax
from mner.fusion.base import FusionModule


class ModalityAttention(FusionModule):
    r"""Following Moon et al. 2018, "Multimodal named entity recognition for short social media posts".

    With word state, character features and the pooled image vector projected to one width, :math:`x^w_t`,
    :math:`x^c_t` and :math:`x^v`:

    .. math::
        \bar x_t = \textstyle\sum_m \alpha_{tm} x^m_t, \quad \alpha_t = \mathrm{softmax}(a_t), \quad
            a_t = \sigma(W_m [x^w_t ; x^c_t ; x^v] + b_m) \in \mathbb{R}^3

    Choices: the sigmoid inside the softmax is the paper's; it keeps every weight of three modalities between 0.16 and
    0.58. The words come from the text encoder and the fused vectors go to the emission layer, where Moon et al. have
    word embeddings under a BiLSTM. The character features come from ``characters``, by default a
    :class:`~mner.text.characters.CharacterCNN`. A missing image is zero and has :math:`a_t = -\infty`.

    Args:
        size: The common width; that of the text encoder by default.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If ``size`` is below 1.
    """

    uses_characters = True

    def __init__(self, size: int | None = None, **kwargs: Any) -> None:
        self.size = size
        super().__init__(**kwargs)
        width = self.text_encoder.hidden_size
        size = width if size is None else size
        if size < 1:
            raise ConfigurationError(f"expected a size of at least 1, got {size}")
        self.project_words = nn.Linear(width, size)
        self.project_characters = nn.Linear(self.character_width, size)
        self.project_image = nn.Linear(self.image_width, size)
        self.modality = nn.Linear(3 * size, 3)

    @property
    def fused_size(self) -> int:
        """The common width of the three parts."""
        return self.text_encoder.hidden_size if self.size is None else self.size

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Compute the weighted sum.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``, and ``text.characters`` ``(B, W, K)``.
            image: One vector per image, ``image.pooled`` of shape ``(B, V)``.

        Returns:
            Fused word states, shape ``(B, W, size)``.
        """
        words, characters = self.project_words(text.words), self.project_characters(text.characters)
        shown = (self.project_image(image.pooled) * image.present[:, None]).unsqueeze(1).expand_as(words)
        scores = self.modality(torch.cat([words, characters, shown], dim=-1)).sigmoid()
        there = torch.ones_like(scores, dtype=torch.bool)
        there[..., 2] = image.present[:, None]
        weights = masked_softmax(scores, there)
        self.record_attention(words=weights[..., 0], characters=weights[..., 1], visual=weights[..., 2])
        return (weights.unsqueeze(-1) * torch.stack([words, characters, shown], dim=2)).sum(dim=2)

"""Modality attention: each word weights its word vector, its characters and the image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mner.batch import ImageFeatures, TextFeatures
from mner.fusion.attention import masked_softmax
from mner.fusion.concatenation import Concatenation


class ModalityAttention(Concatenation):
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

    def __init__(self, size: int | None = None, **kwargs: Any) -> None:
        super().__init__(size=size, **kwargs)
        self.modality = nn.Linear(3 * self.common_width, 3)

    @property
    def fused_size(self) -> int:
        """The common width of the three parts."""
        return self.common_width

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Compute the weighted sum.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``, and ``text.characters`` ``(B, W, K)``.
            image: One vector per image, ``image.pooled`` of shape ``(B, V)``.

        Returns:
            Fused word states, shape ``(B, W, size)``.
        """
        parts = self.project(text, image)
        scores = self.modality(torch.cat(parts, dim=-1)).sigmoid()
        available = torch.ones_like(scores, dtype=torch.bool)
        available[..., 2] = image.present[:, None]
        weights = masked_softmax(scores, available)
        self.record_attention(words=weights[..., 0], characters=weights[..., 1], visual=weights[..., 2])
        return (weights.unsqueeze(-1) * torch.stack(parts, dim=2)).sum(dim=2)

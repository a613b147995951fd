"""Adaptive co-attention between words and regions, with gated fusion and a filtration gate (paper 3.3, CAM)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mner.batch import ImageFeatures, TextFeatures
from mner.fusion.additive_attention import AdditiveAttention
from mner.fusion.base import FusionModule


class CoAttention(FusionModule):
    r"""The co-attention module (CAM) of experiment 1.3 (Zhang et al. 2018, "Adaptive co-attention network").

    With word states :math:`h_t` and regions :math:`v_i = \tanh(W V_i)`:

    .. math::
        &\text{word-guided visual attention} & \hat v_t &= \textstyle\sum_i a_{ti} v_i, \quad
            a_t = \mathrm{softmax}_i\; w_a^\top \tanh(W_v v_i + W_h h_t) \\
        &\text{image-guided textual attention} & \hat h_t &= \textstyle\sum_j b_{tj} h_j, \quad
            b_t = \mathrm{softmax}_j\; w_b^\top \tanh(W_x h_j + W_v' \hat v_t) \\
        &\text{gated fusion} & m_t &= g_t \tilde v_t + (1 - g_t) \tilde h_t, \quad
            g_t = \sigma(w_g^\top [\tilde v_t ; \tilde h_t]), \quad
            \tilde v_t = \tanh(W \hat v_t),\; \tilde h_t = \tanh(W' \hat h_t) \\
        &\text{filtration gate} & o_t &= W_o [h_t ; u_t], \quad
            u_t = s_t \tanh(W_m m_t), \quad s_t = \sigma(w_s^\top [h_t ; m_t])

    Choices:

    * Both attentions score :math:`[v_i ; h_t]` by a layer over the concatenation. As printed, the layer is inside it,
      and no attention depends on the word: see :class:`~mner.fusion.additive_attention.AdditiveAttention`.
      ``as_published`` implements the printed form.
    * The printed filtration gate has a linear layer before :math:`w_s`; two linear layers are equivalent to one.
    * Textual attention masks padding, which public implementations omit. The gated fusion is the paper's weighted mean,
      where the authors' code adds; the filtration gate reads :math:`h_t`, which their code omits.
    * A post without an image has :math:`\hat v_t = 0` and :math:`g_t = 0`.
    * Between the image and the emissions there are three tanh layers and two gates. These layers are initialised for
      tanh (Glorot and Bengio 2010); with torch's default, smaller weights, some seeds never learn to use the image.

    Args:
        attention_size: Width of the layers that score attention.
        as_published: Score attention as printed.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If ``attention_size`` is below 1.
    """

    def __init__(self, attention_size: int = 128, as_published: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        width = self.text_encoder.hidden_size
        self.project_image = nn.Linear(self.image_width, width)
        self.visual_attention = AdditiveAttention(width, width, attention_size, as_published)
        self.textual_attention = AdditiveAttention(width, width, attention_size, as_published)
        self.visual = nn.Linear(width, width)
        self.textual = nn.Linear(width, width)
        self.gate = nn.Linear(2 * width, 1)
        self.filtration_gate = nn.Linear(2 * width, 1)
        self.filtered = nn.Linear(width, width)
        self.output = nn.Linear(2 * width, width)
        for layer in (self.project_image, self.visual, self.textual, self.filtered):
            nn.init.xavier_uniform_(layer.weight, nn.init.calculate_gain("tanh"))
            nn.init.zeros_(layer.bias)

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Attend in both directions, then apply both gates.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``, padding in ``text.mask``.
            image: Region states ``(B, R, V)``; ``image.mask`` is false everywhere where a post has no image.

        Returns:
            Fused word states, shape ``(B, W, D)``.
        """
        words, regions = text.words, self.project_image(image.regions).tanh()
        over_regions = self.visual_attention(words, regions, image.mask)
        attended = over_regions.to(regions.dtype) @ regions
        over_words = self.textual_attention(attended, words, text.mask)
        visual = self.visual(attended).tanh()
        textual = self.textual(over_words.to(words.dtype) @ words).tanh()
        gate = self.gate(torch.cat([visual, textual], dim=-1)).sigmoid() * image.present[:, None, None]
        mixed = gate * visual + (1 - gate) * textual
        filtration = self.filtration_gate(torch.cat([words, mixed], dim=-1)).sigmoid()
        self.record_attention(
            over_regions, words=over_words, visual=gate.squeeze(-1), filtration=filtration.squeeze(-1)
        )
        fused: Tensor = self.output(torch.cat([words, filtration * self.filtered(mixed).tanh()], dim=-1))
        return fused

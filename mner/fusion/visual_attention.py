"""Visual attention: one attention over the regions per post, gated into its words (paper 3.3, VAM)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mner.argument_types import check_range
from mner.batch import ImageFeatures, TextFeatures
from mner.fusion.additive_attention import AdditiveAttention
from mner.fusion.base import FusionModule
from mner.recurrent import run_recurrent


class VisualAttention(FusionModule):
    r"""The visual attention module (VAM) of experiment 1.2, following Lu et al. 2018, "Visual attention model".

    With word states :math:`h_t`, regions :math:`V_i` and the query :math:`Q`, the last state of an LSTM over the words:

    .. math::
        c &= \textstyle\sum_i e_i V_i, \quad e = \mathrm{softmax}_i\; w^\top \tanh(W_v V_i + W_t Q) \\
        \beta^v_t &= \sigma(W_1 h_t + U_1 c), \quad \beta^w_t = \sigma(W_2 h_t + U_2 c), \quad
            m_t = \tanh(W_3 h_t + U_3 c) \\
        o_t &= \beta^w_t \odot h_t + \beta^v_t \odot m_t

    Choices:

    * The query enters the score inside the tanh. As printed, outside it, the text cannot influence the attention: see
      :class:`~mner.fusion.additive_attention.AdditiveAttention`. ``as_published`` implements the printed form.
    * The regions are used as the image encoder returns them, without a projection before :math:`W_v` and the
      :math:`U_i`, which are linear layers themselves.
    * The words come from the text encoder, where Lu et al. have a BiLSTM.
    * A post without an image has :math:`c = 0` and :math:`\beta^v_t = 0`.

    Args:
        query_size: Width of the LSTM.
        attention_size: Width of the layer that scores attention.
        as_published: Score attention as printed.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If a size is below 1.
    """

    def __init__(
        self, query_size: int = 128, attention_size: int = 128, as_published: bool = False, **kwargs: Any
    ) -> None:
        check_range("query_size", query_size, "[1, inf)")
        super().__init__(**kwargs)
        width, image_width = self.text_encoder.hidden_size, self.image_width
        self.query = nn.LSTM(width, int(query_size), batch_first=True)  # int: it refuses NumPy's
        self.attend = AdditiveAttention(query_size, image_width, attention_size, as_published)
        self.gates_of_words = nn.Linear(width, 3 * width)
        self.gates_of_image = nn.Linear(image_width, 3 * width, bias=False)

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Attend to the image once per post and gate the result into the words.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``, padding in ``text.mask``.
            image: Region states ``(B, R, V)``; ``image.mask`` is false everywhere where a post has no image.

        Returns:
            Fused word states, shape ``(B, W, D)``.
        """
        weights = self.attend(self._query(text), image.regions, image.mask)
        context = weights.to(image.regions.dtype) @ image.regions
        visual, textual, mixed = (self.gates_of_words(text.words) + self.gates_of_image(context)).chunk(3, dim=-1)
        visual = visual.sigmoid() * image.present[:, None, None]
        textual = textual.sigmoid()
        self.record_attention(weights.expand(-1, text.words.shape[1], -1), visual=visual, textual=textual)
        fused: Tensor = textual * text.words + visual * mixed.tanh()
        return fused

    def _query(self, text: TextFeatures) -> Tensor:
        """Return the state after each post's last word, shape ``(B, 1, query_size)``; padding comes after it."""
        states, _ = run_recurrent(self.query, text.words)
        last = (text.mask.sum(dim=1) - 1).clamp_min(0)
        query: Tensor = states.gather(1, last[:, None, None].expand(-1, 1, states.shape[2]))
        return query  # take_along_dim would fix the sizes of a traced graph

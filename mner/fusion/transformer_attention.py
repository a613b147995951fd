"""Transformer attention (TAM): one transformer reads words and regions (paper: experiment 2.1)."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule
from mner.text.joint_encoder import JointEncoder
from mner.vision.encoder import ImageEncoder


class TransformerAttention(FusionModule):
    r"""The transformer attention module (TAM) of experiment 2.1, following Li et al. 2019, "VisualBERT".

    With embedded subwords :math:`x_i` and regions :math:`V_j`:

    .. math::
        [h_1 \dots h_P ; r_1 \dots r_R] = \mathrm{VisualBERT}([x_1 \dots x_P ; W V_1 + p + s \dots W V_R + p + s])

    with one position :math:`p` and one type :math:`s` for all regions: the self-attention is the fusion. A word's
    vector is pooled from its subwords, as without an image; the :math:`r_j` are discarded.

    The recorded attention is averaged over all heads and layers. The gate ``visual`` is the fraction of a word's
    attention on regions, ``regions`` its distribution over them.

    Args:
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If the text encoder is not a :class:`~mner.text.JointEncoder`, or cannot read the regions of
            the image encoder.
    """

    text_encoder: JointEncoder

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(self.text_encoder, JointEncoder):
            raise ConfigurationError(
                f"{type(self).__name__} lets words and regions attend to each other inside the text encoder: expected "
                f"one that reads regions, such as a VisualBertText, got {type(self.text_encoder).__name__}; use one, "
                "or choose another fusion"
            )
        self.text_encoder.accept_images(cast("ImageEncoder", self.image_encoder))

    def encode_text(self, batch: Batch, image: ImageFeatures) -> TextFeatures:
        """Encode the texts together with regions ``(B, R, V)``, and record the attention if it is asked for."""
        text: TextFeatures = self.text_encoder(batch, image)
        if self.records_attention:
            weights = self.text_encoder.attention(batch, image)
            on_image = weights.sum(dim=-1)
            tiny = torch.finfo(on_image.dtype).tiny
            self.record_attention(weights / on_image.clamp_min(tiny)[..., None], visual=on_image)
        return text

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Return ``text.words``, shape ``(B, W, D)``, which already attended to the regions."""
        return text.words

"""Your own fusion module: the image is added to every word through a learned gate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mner.batch import ImageFeatures, TextFeatures
from mner.fusion import FusionModule


class GatedSum(FusionModule):
    """Add the image to every word through a learned gate.

    Args:
        gate_bias: Initial bias of the gate; below zero it starts nearly closed.
        kwargs: Arguments of :class:`mner.fusion.FusionModule`.
    """

    def __init__(self, gate_bias: float = -1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        width = self.text_encoder.hidden_size
        self.project = nn.Linear(self.image_width, width)
        self.gate = nn.Linear(2 * width, 1)
        nn.init.constant_(self.gate.bias, gate_bias)

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Add ``g * v`` to each word, where ``g`` depends on both.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``.
            image: One vector per image, ``image.pooled`` of shape ``(B, V)``.

        Returns:
            Shape ``(B, W, D)``; the words of a post without an image are unchanged.
        """
        seen = self.project(image.pooled)[:, None].expand_as(text.words)
        gate = self.gate(torch.cat([text.words, seen], dim=-1)).sigmoid() * image.present[:, None, None]
        self.record_attention(visual=gate.squeeze(-1))
        return text.words + gate * seen

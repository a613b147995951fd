"""Late fusion: the pooled image vector, through a multilayer perceptron, is concatenated with every word."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mner.argument_types import check_range
from mner.batch import ImageFeatures, TextFeatures
from mner.fusion.base import FusionModule


class LateFusion(FusionModule):
    r"""The multimodal baseline of general toolkits such as AutoGluon.

    With word states :math:`h_t` and the pooled image vector :math:`v`:

    .. math:: o_t = [h_t ; W_2\, \mathrm{ReLU}(W_1 v + b_1) + b_2]

    Words and regions are not aligned: every word of a post gets the same image vector. Those toolkits label each word
    independently, as ``decoder: Softmax`` does. The image vector is zero in a post without an image.

    Args:
        image_size: Width of the perceptron and of its output.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If ``image_size`` is below 1.
    """

    def __init__(self, image_size: int = 128, **kwargs: Any) -> None:
        check_range("image_size", image_size, "[1, inf)")
        self.image_size = image_size
        super().__init__(**kwargs)
        self.perceptron = nn.Sequential(
            nn.Linear(self.image_width, image_size), nn.ReLU(), nn.Linear(image_size, image_size)
        )

    @property
    def fused_size(self) -> int:
        """Width of the word and image vectors, concatenated."""
        return self.text_encoder.hidden_size + self.image_size

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Concatenate the image with every word.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``.
            image: One vector per image, ``image.pooled`` of shape ``(B, V)``.

        Returns:
            Fused word states, shape ``(B, W, D + image_size)``.
        """
        visual = self.perceptron(image.pooled) * image.present[:, None]
        return torch.cat([text.words, visual.unsqueeze(1).expand(-1, text.words.shape[1], -1)], dim=-1)

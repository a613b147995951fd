"""Late fusion: one image vector through a multilayer perceptron, beside every word; the common baseline."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mner.batch import ImageFeatures, TextFeatures
from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule


class LateFusion(FusionModule):
    r"""What general multimodal toolkits offer for tagging (AutoGluon), the weakest baseline.

    With word states :math:`h_t` and the image's one vector :math:`v`:

    .. math:: o_t = [h_t ; W_2\, \mathrm{ReLU}(W_1 v + b_1) + b_2]

    Nothing aligns words and regions: every word of a post gets the same image. Those toolkits decode each word by
    itself; ``decoder: Softmax`` does so here. The image's part is zero in a post without image.

    Args:
        image_size: Width of the perceptron and of the image beside each word.
        kwargs: What every :class:`~mner.fusion.base.FusionModule` takes.

    Raises:
        ConfigurationError: If ``image_size`` is below 1.
    """

    def __init__(self, image_size: int = 128, **kwargs: Any) -> None:
        if image_size < 1:
            raise ConfigurationError(f"expected an image_size of at least 1, got {image_size}")
        self.image_size = image_size
        super().__init__(**kwargs)
        self.perceptron = nn.Sequential(
            nn.Linear(self.image_width, image_size), nn.ReLU(), nn.Linear(image_size, image_size)
        )

    @property
    def fused_size(self) -> int:
        """The word's vector and the image's, one after the other."""
        return self.text_encoder.hidden_size + self.image_size

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Put the image beside every word.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``.
            image: One vector an image, ``image.pooled`` of shape ``(B, V)``.

        Returns:
            Fused word states, shape ``(B, W, D + image_size)``.
        """
        shown = self.perceptron(image.pooled) * image.present[:, None]
        return torch.cat([text.words, shown.unsqueeze(1).expand(-1, text.words.shape[1], -1)], dim=-1)

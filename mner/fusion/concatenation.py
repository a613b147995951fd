"""Concatenation: word, characters and image side by side (paper 3.3, CM)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mner.batch import ImageFeatures, TextFeatures
from mner.errors import ConfigurationError
from mner.fusion.base import FusionModule


class Concatenation(FusionModule):
    r"""The concatenation module (CM) of experiment 1.1.

    With word state :math:`x^w_t`, character features :math:`x^c_t` and the image's one vector :math:`x^v`, each
    projected to one width:

    .. math:: o_t = [W_w x^w_t + b_w ; W_c x^c_t + b_c ; W_v x^v + b_v]

    Choices: the paper does not say that anything but a projection comes before the concatenation, so nothing does.
    The character features come from ``characters``, by default a :class:`~mner.text.characters.CharacterCNN`. The
    third part is zero in a post without image.

    Args:
        size: The one width; that of the text encoder by default.
        kwargs: What every :class:`~mner.fusion.base.FusionModule` takes.

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

    @property
    def fused_size(self) -> int:
        """The three parts, one after the other."""
        return 3 * (self.text_encoder.hidden_size if self.size is None else self.size)

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Project and concatenate.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``, and ``text.characters`` ``(B, W, K)``.
            image: One vector an image, ``image.pooled`` of shape ``(B, V)``.

        Returns:
            Fused word states, shape ``(B, W, 3 * size)``.
        """
        words, characters = self.project_words(text.words), self.project_characters(text.characters)
        shown = self.project_image(image.pooled) * image.present[:, None]
        return torch.cat([words, characters, shown.unsqueeze(1).expand_as(words)], dim=-1)

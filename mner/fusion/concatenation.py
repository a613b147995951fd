"""Concatenation of word, character and image features (paper 3.3, CM)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mner.argument_types import check_range
from mner.batch import ImageFeatures, TextFeatures
from mner.fusion.base import FusionModule


class Concatenation(FusionModule):
    r"""The concatenation module (CM) of experiment 1.1.

    With word state :math:`x^w_t`, character features :math:`x^c_t` and the pooled image vector :math:`x^v`, each
    projected to the same width:

    .. math:: o_t = [W_w x^w_t + b_w ; W_c x^c_t + b_c ; W_v x^v + b_v]

    Choices: the paper describes nothing but a projection before the concatenation, so there is nothing else.
    The character features come from ``characters``, by default a :class:`~mner.text.characters.CharacterCNN`. The
    third part is zero in a post without an image.

    Args:
        size: The common width; that of the text encoder by default.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.

    Raises:
        ConfigurationError: If ``size`` is below 1.
    """

    uses_characters = True

    def __init__(self, size: int | None = None, **kwargs: Any) -> None:
        check_range("size", size, "[1, inf)")
        self.size = size
        super().__init__(**kwargs)
        self.project_words = nn.Linear(self.text_encoder.hidden_size, self.common_width)
        self.project_characters = nn.Linear(self.character_width, self.common_width)
        self.project_image = nn.Linear(self.image_width, self.common_width)

    @property
    def common_width(self) -> int:
        """Width of each of the three parts."""
        return self.text_encoder.hidden_size if self.size is None else self.size

    @property
    def fused_size(self) -> int:
        """Width of the three parts concatenated."""
        return 3 * self.common_width

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Project and concatenate.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``, and ``text.characters`` ``(B, W, K)``.
            image: One vector per image, ``image.pooled`` of shape ``(B, V)``.

        Returns:
            Fused word states, shape ``(B, W, 3 * size)``.
        """
        return torch.cat(self.project(text, image), dim=-1)

    def project(self, text: TextFeatures, image: ImageFeatures) -> tuple[Tensor, Tensor, Tensor]:
        """Project words, characters and image to one width.

        Returns:
            Three tensors of shape ``(B, W, size)``; the image's is zero where a post has none.
        """
        words, characters = self.project_words(text.words), self.project_characters(text.characters)
        visual = self.project_image(image.pooled) * image.present[:, None]
        return words, characters, visual.unsqueeze(1).expand_as(words)

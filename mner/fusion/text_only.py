"""The text-only control: words in, words out (paper: experiments 1.0, 2.0, 3.0 and 3.1)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mner.batch import ImageFeatures, TextFeatures
from mner.fusion.base import FusionModule
from mner.vision.encoder import ImageEncoder


class TextOnly(FusionModule):
    """The encoder's word vectors as they are, under the decoder.

    With a HuggingFaceText of BERT and a CRF this is the paper's experiment 1.0, with a VisualBertText 2.0; with a data
    module whose ``contexts`` hold the caption, 3.0 and 3.1.

    Args:
        image_encoder: Left aside, and not kept: so the config of any fusion is its own text-only control under
            another ``class_path``.
        kwargs: What every :class:`~mner.fusion.base.FusionModule` takes.
    """

    needs_image = False

    def __init__(self, image_encoder: ImageEncoder | str | None = None, **kwargs: Any) -> None:
        super().__init__(image_encoder=None, **kwargs)

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Return ``text.words``, shape ``(B, W, D)``."""
        return text.words

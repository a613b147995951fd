"""The text-only baseline (paper: experiments 1.0, 2.0, 3.0 and 3.1)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mner.batch import ImageFeatures, TextFeatures
from mner.fusion.base import FusionModule
from mner.vision.encoder import ImageEncoder


class TextOnly(FusionModule):
    """Passes the encoder's word vectors to the decoder unchanged.

    With a HuggingFaceText of BERT and a CRF this is the paper's experiment 1.0, with a VisualBertText 2.0; with a data
    module whose ``contexts`` include the caption, 3.0 and 3.1.

    Args:
        image_encoder: Ignored and not saved, so that changing the ``class_path`` turns the config of any fusion into
            its text-only baseline.
        kwargs: Arguments of :class:`~mner.fusion.base.FusionModule`.
    """

    needs_image = False

    def __init__(self, image_encoder: ImageEncoder | str | None = None, **kwargs: Any) -> None:
        super().__init__(image_encoder=None, **kwargs)

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Return ``text.words``, shape ``(B, W, D)``."""
        return text.words

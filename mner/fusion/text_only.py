"""The text-only control: words in, words out (paper: experiments 1.0 and 3.0)."""

from __future__ import annotations

from torch import Tensor

from mner.batch import ImageFeatures, TextFeatures
from mner.fusion.base import FusionModule


class TextOnly(FusionModule):
    """The encoder's word vectors as they are, under the decoder.

    With a HuggingFaceText of BERT and a CRF this is the paper's experiment 1.0; with a data module whose
    ``contexts`` hold the caption, 3.0.
    """

    needs_image = False

    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Return ``text.words``, shape ``(B, W, D)``."""
        return text.words

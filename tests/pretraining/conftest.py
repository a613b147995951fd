"""Fixtures of the pre-training tests: models on the tiny encoder."""

import pytest
import torch

from mner.pretraining import MaskedLanguageModel, VisualLanguageModel
from mner.testing import TinyGrid
from mner.text import HuggingFaceText, VisualBertText


@pytest.fixture
def make_masked(tiny_text_encoder_folder):
    """Builds a masked language model: ``make_masked(whole_words=True)``."""

    def make(name=tiny_text_encoder_folder, **arguments):
        torch.manual_seed(0)
        arguments.setdefault("contexts", ["caption"])
        return MaskedLanguageModel(HuggingFaceText(str(name)), **arguments)

    return make


@pytest.fixture
def make_visual(tiny_text_encoder_folder):
    """Builds a visual language model: ``make_visual(sentence_image=False)``."""

    def make(**arguments):
        torch.manual_seed(0)
        arguments.setdefault("image_encoder", TinyGrid())
        arguments.setdefault("contexts", ["caption"])
        return VisualLanguageModel(VisualBertText(str(tiny_text_encoder_folder)), **arguments)

    return make

"""Fixtures of the fusion tests: a model on tiny parts in double precision, and random features."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mner.batch import ImageFeatures, TextFeatures
from mner.components import to_config
from mner.fusion import TransformerAttention
from mner.labels import labels_for
from mner.testing import TinyGrid, tiny_text_encoder
from mner.text import VisualBertText


@pytest.fixture
def make_fusion():
    """A function from a class and its arguments to a model in evaluation mode; its words are 8, its regions 6 wide."""

    def make(cls, **arguments):
        torch.manual_seed(0)
        parts = {"text_encoder": tiny_text_encoder(8), "image_encoder": TinyGrid(6), **arguments}
        return cls(labels=labels_for(("PER", "LOC")), **parts).double().eval()

    return make


@pytest.fixture
def trainable_fusion(labels):
    """A function from a class and its arguments to a model as it is trained, on tiny parts that suit it."""

    def make(cls, **arguments):
        torch.manual_seed(0)
        text_encoder = tiny_text_encoder()
        if issubclass(cls, TransformerAttention):
            text_encoder = VisualBertText("tiny", architecture=to_config(text_encoder)["init_args"]["architecture"])
        small = {"size": 16, "num_layers": 2, "heads": 2, "layer_dropout": 0.1} if cls.__name__ == "GraphFusion" else {}
        arguments = {**small, **arguments}
        return cls(labels=labels, text_encoder=text_encoder, image_encoder=TinyGrid(), **arguments)

    return make


@pytest.fixture
def features():
    """Three posts of 4, 2 and 3 words with 3, 2 and no regions; what stands in padding is noise."""
    torch.manual_seed(1)
    words, regions = torch.randn(3, 4, 8).double(), torch.randn(3, 3, 6).double()
    word_mask = torch.arange(4) < torch.tensor([[4], [2], [3]])
    mask = torch.arange(3) < torch.tensor([[3], [2], [0]])
    text = TextFeatures(words, word_mask, words[:, 0], characters=torch.randn(3, 4, 64).double())
    return text, ImageFeatures(regions, mask, torch.randn(3, 6).double())


@pytest.fixture
def numpy_weights():
    """A function from a module to its parameters as arrays: ``weights.gate_weight`` is ``gate.weight``."""

    def convert(module):
        named = {name.replace(".", "_"): value.detach().numpy() for name, value in module.named_parameters()}
        return SimpleNamespace(**named)

    return convert


@pytest.fixture
def each_word(features):
    """The real words of the features, one at a time: post, place, its state, the post's words and its regions."""
    text, image = features

    def words():
        for post in range(3):
            states = text.words[post][text.mask[post]].numpy()
            regions = image.regions[post][image.mask[post]].numpy()
            for place, state in enumerate(states):
                yield post, place, state, states, regions

    return words


@pytest.fixture
def softmax():
    """Softmax of a list of numbers."""
    return lambda scores: np.exp(scores) / np.exp(scores).sum()

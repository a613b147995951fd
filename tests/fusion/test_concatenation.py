"""Concatenation equals its equation, computed a word at a time, and brings its own characters."""

import numpy as np
import pytest

from mner.errors import ConfigurationError
from mner.fusion import Concatenation, GraphFusion, ModalityAttention, MultidimensionalAttention
from mner.text import CharacterCNN


def test_it_equals_its_equation(make_fusion, features, numpy_weights, each_word):
    model = make_fusion(Concatenation, size=5)
    fused, w = model.fuse(*features).detach().numpy(), numpy_weights(model)
    text, image = features
    for post, place, word, _, regions in each_word():
        characters, pooled = text.characters[post, place].numpy(), image.pooled[post].numpy()
        expected = [
            w.project_words_weight @ word + w.project_words_bias,
            w.project_characters_weight @ characters + w.project_characters_bias,
            w.project_image_weight @ pooled + w.project_image_bias if len(regions) else np.zeros(5),
        ]
        assert np.allclose(fused[post, place], np.concatenate(expected))


def test_characters_are_made_or_taken(make_fusion):
    assert make_fusion(Concatenation).characters.hidden_size == 64
    model = make_fusion(Concatenation, characters=CharacterCNN(hidden_size=10))
    assert model.project_characters.in_features == 10
    assert model.emission_layer.in_features == 3 * 8


@pytest.mark.parametrize("cls", [Concatenation, ModalityAttention, MultidimensionalAttention, GraphFusion])
@pytest.mark.parametrize("size", [0, -1])
def test_a_size_that_is_none(make_fusion, cls, size):
    with pytest.raises(ConfigurationError, match=f"expected size >= 1, got {size}"):
        make_fusion(cls, size=size)

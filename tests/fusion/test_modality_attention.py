"""Modality attention equals its equation, computed a word at a time."""

import numpy as np
import pytest

from mner.errors import ConfigurationError
from mner.fusion import ModalityAttention


def test_it_equals_its_equation(make_fusion, features, numpy_weights, each_word, softmax):
    model = make_fusion(ModalityAttention, size=5)
    fused, w = model.fuse(*features).detach().numpy(), numpy_weights(model)
    text, image = features
    for post, place, word, _, regions in each_word():
        parts = [
            w.project_words_weight @ word + w.project_words_bias,
            w.project_characters_weight @ text.characters[post, place].numpy() + w.project_characters_bias,
            w.project_image_weight @ image.pooled[post].numpy() + w.project_image_bias if len(regions) else np.zeros(5),
        ]
        scores = 1 / (1 + np.exp(-(w.modality_weight @ np.concatenate(parts) + w.modality_bias)))
        if not len(regions):
            scores[2] = -np.inf
        expected = sum(weight * part for weight, part in zip(softmax(scores), parts, strict=True))
        assert np.allclose(fused[post, place], expected)


def test_a_size_that_is_none(make_fusion):
    with pytest.raises(ConfigurationError, match="expected size >= 1, got 0"):
        make_fusion(ModalityAttention, size=0)

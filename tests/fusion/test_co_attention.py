"""Co-attention equals its equations, computed a word at a time, and its published scores ignore the word."""

import numpy as np
import pytest
import torch

from mner.batch import ImageFeatures, TextFeatures
from mner.errors import ConfigurationError
from mner.fusion import CoAttention
from mner.testing import TinyGrid, tiny_text_encoder


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def score(key, query, w, name, as_published):
    """The score of a key for a query, and the layer's weights by name."""
    of_query = getattr(w, f"{name}_query_weight") @ query + getattr(w, f"{name}_query_bias")
    of_key = getattr(w, f"{name}_key_weight") @ key
    joint = np.concatenate([of_query, of_key]) if as_published else of_query + of_key
    return getattr(w, f"{name}_score_weight")[0] @ np.tanh(joint)


@pytest.mark.parametrize("as_published", [False, True])
def test_it_equals_its_equations(make_fusion, features, numpy_weights, each_word, softmax, as_published):
    model = make_fusion(CoAttention, attention_size=5, as_published=as_published)
    fused, w = model.fuse(*features).detach().numpy(), numpy_weights(model)
    for post, place, word, words, regions in each_word():
        projected = [np.tanh(w.project_image_weight @ region + w.project_image_bias) for region in regions]
        seen = np.zeros(8)
        if projected:
            looks = softmax([score(region, word, w, "visual_attention", as_published) for region in projected])
            seen = sum(a * region for a, region in zip(looks, projected, strict=True))
        reads = softmax([score(other, seen, w, "textual_attention", as_published) for other in words])
        visual = np.tanh(w.visual_weight @ seen + w.visual_bias)
        textual = np.tanh(w.textual_weight @ sum(b * h for b, h in zip(reads, words, strict=True)) + w.textual_bias)
        gate = sigmoid(w.gate_weight[0] @ np.concatenate([visual, textual]) + w.gate_bias[0]) if projected else 0.0
        mixed = gate * visual + (1 - gate) * textual
        filtration = sigmoid(w.filtration_gate_weight[0] @ np.concatenate([word, mixed]) + w.filtration_gate_bias[0])
        kept = filtration * np.tanh(w.filtered_weight @ mixed + w.filtered_bias)
        expected = w.output_weight @ np.concatenate([word, kept]) + w.output_bias
        assert np.allclose(fused[post, place], expected)


def test_as_printed_every_word_looks_at_the_same_regions(make_fusion, features):
    text, image = features
    for as_published in (True, False):
        model = make_fusion(CoAttention, as_published=as_published)
        regions = model.visual_attention(text.words, model.project_image(image.regions).tanh(), image.mask)
        assert np.allclose(regions[:, :1].detach(), regions.detach()) is as_published


def test_a_size_that_is_none(make_fusion):
    with pytest.raises(ConfigurationError, match="expected attention_size >= 1, got 0"):
        make_fusion(CoAttention, attention_size=0)


def test_at_the_start_an_image_already_shows(make_fusion):
    model = make_fusion(CoAttention, text_encoder=tiny_text_encoder(64), image_encoder=TinyGrid(64))
    mask = torch.ones(8, 5, dtype=torch.bool)
    text = TextFeatures(torch.randn(8, 5, 64).double(), mask, torch.randn(8, 64).double())
    regions = torch.randn(8, 5, 64).double()
    seen = model.fuse(text, ImageFeatures(regions, mask, regions[:, 0]))
    other = model.fuse(text, ImageFeatures(regions.flip(0), mask, regions[:, 0]))
    assert (seen - other).std() > 0.1 * seen.std()  # about 0.2, and 0.025 with the initial weights of torch

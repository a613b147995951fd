"""UMT equals its equations, computed a word at a time; its spans help and are learned with the labels."""

from math import erf, sqrt

import numpy as np
import pytest
import torch

from mner.decoders import Softmax
from mner.errors import ConfigurationError
from mner.fusion import UMT
from mner.fusion.umt import SpanTextFeatures, conversion_matrix, span_labels
from mner.labels import labels_for
from mner.posts import Post


def affine(w, name, x):
    return getattr(w, f"{name}_weight") @ x + getattr(w, f"{name}_bias")


def layer_norm(w, name, x):
    normal = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return getattr(w, f"{name}_weight") * normal + getattr(w, f"{name}_bias")


def layer(w, name, query, keys, softmax):
    """A layer of BERT with two heads of four, for one query."""
    attended = np.zeros(8)
    if len(keys):
        q = affine(w, f"{name}_query", query)
        k, v = np.split(np.array([affine(w, f"{name}_key_value", key) for key in keys]), 2, axis=1)
        heads = [slice(0, 4), slice(4, 8)]
        attended = np.concatenate([softmax(k[:, head] @ q[head] / 2) @ v[:, head] for head in heads])
        attended = affine(w, f"{name}_output", attended)
    hidden = layer_norm(w, f"{name}_norm", query + attended)
    inner = affine(w, f"{name}_feedforward_in", hidden)
    inner = inner * np.array([0.5 * (1 + erf(value / sqrt(2))) for value in inner])
    return layer_norm(w, f"{name}_last_norm", hidden + affine(w, f"{name}_feedforward_out", inner))


def randomise(model):
    """Larger weights than those of the start, so that every term counts."""
    torch.manual_seed(3)
    for parameter in model.parameters():
        parameter.data.uniform_(-0.5, 0.5)


def test_it_equals_its_equations(make_fusion, features, numpy_weights, each_word, softmax):
    model = make_fusion(UMT, heads=2)
    randomise(model)
    fused, w = model.fuse(*features).detach().numpy(), numpy_weights(model)
    for post, place, _, words, regions in each_word():
        main = [layer(w, "main_layer", word, words, softmax) for word in words]
        seen = [affine(w, "project_image", region) for region in regions]
        queries = [affine(w, "project_image_queries", region) for region in regions]
        visual = layer(w, "image_to_words", main[place], seen, softmax)
        read = [layer(w, "words_to_image", query, main, softmax) for query in queries]
        textual = layer(w, "image_words_to_words", main[place], read, softmax)
        gate = 1 / (1 + np.exp(-affine(w, "gate", np.concatenate([textual, visual])))) if len(regions) else 0
        assert np.allclose(fused[post, place], np.concatenate([textual, gate * visual]))


def test_emissions_are_half_of_the_words_and_half_of_the_spans(make_fusion, features):
    model = make_fusion(UMT)
    text, image = features
    spans = torch.randn(3, 4, 3).double()
    text = SpanTextFeatures(**{**vars(text), "characters": None}, spans=spans)
    of_words = model.emission_layer(model.fuse(text, image))
    of_spans = spans[..., [0, 1, 2, 1, 2]] * torch.tensor([1, 0.5, 0.5, 0.5, 0.5])
    torch.testing.assert_close(model.emissions(text, image), (of_words + of_spans) / 2)


def test_the_auxiliary_loss_is_that_of_the_spans(make_fusion):
    model = make_fusion(UMT, auxiliary_weight=0.25).float()
    batch = model.preprocessor([Post("1", ("kevin", "durant", "in", "oslo"), ("B-PER", "I-PER", "O", "B-LOC"))])
    text, image = model.encode(batch)
    emissions = model.emissions(text, image)
    loss = model.auxiliary_loss(batch, text, image, emissions)
    expected = model.span_decoder.loss(text.spans, torch.tensor([[1, 2, 0, 1]]), batch.word_mask)
    torch.testing.assert_close(loss, expected / 4)
    batch.tags = None
    assert model.auxiliary_loss(batch, text, image, emissions) is None


def test_spans_of_any_scheme():
    labels = ["B-PER", "O", *labels_for(["PER", "LOC"], "BIOES")[2:]]
    assert span_labels(labels) == ["B-SPAN", "O", "I-SPAN", "E-SPAN", "S-SPAN"]
    matrix = conversion_matrix(labels)
    assert matrix.shape == (5, 9)
    assert matrix.sum(dim=1).tolist() == [1] * 5
    assert matrix[0].nonzero().flatten().tolist() == [labels.index("B-PER"), labels.index("B-LOC")]


def test_heads_and_decoders(make_fusion):
    assert make_fusion(UMT).main_layer.heads == 1
    assert make_fusion(UMT, decoder=Softmax()).span_decoder.reduction == "token_mean"
    with pytest.raises(ConfigurationError, match="heads to divide the text encoder's width 8, got 3"):
        make_fusion(UMT, heads=3)
    for arguments, message in (
        ({"layer_dropout": 2.0}, r"expected layer_dropout in \[0, 1\), got 2.0"),
        ({"auxiliary_weight": -1.0}, "expected auxiliary_weight >= 0, got -1.0"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            make_fusion(UMT, **arguments)


def test_recorded_attention_is_that_of_the_layer(make_fusion, features, softmax, numpy_weights):
    model = make_fusion(UMT, heads=1)
    text, image = features
    layer, w = model.image_to_words, numpy_weights(model.image_to_words)
    regions = model.project_image(image.regions)
    weights = layer.weights(text.words, regions, image.mask).detach().numpy()
    query = affine(w, "query", text.words[0, 1].numpy())
    keys = [affine(w, "key_value", region)[:8] for region in regions[0].detach().numpy()]
    assert np.allclose(weights[0, 1], softmax([query @ key / sqrt(8) for key in keys]))
    assert not weights[2].any()

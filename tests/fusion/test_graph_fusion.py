"""Graph fusion equals its equations, computed one pair of a word and a region at a time, in any number of chunks."""

from math import sqrt

import numpy as np
import pytest
import torch

from mner.errors import ConfigurationError
from mner.fusion import GraphFusion, gated_sum

SMALL = {"size": 4, "num_layers": 2, "heads": 2, "feedforward_size": 3}


def affine(w, name, x):
    return getattr(w, f"{name}_weight") @ x + getattr(w, f"{name}_bias")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def add_norm(w, name, x, added):
    total = x + added
    normal = (total - total.mean()) / np.sqrt(total.var() + 1e-5)
    return getattr(w, f"{name}_weight") * normal + getattr(w, f"{name}_bias")


def feedforward(w, name, x):
    return affine(w, f"{name}_2", np.maximum(affine(w, f"{name}_0", x), 0))


def attend(w, name, state, states, softmax, projects):
    """Two heads of two."""
    query = affine(w, f"{name}_query", state)
    keys = np.array([affine(w, f"{name}_key", each) for each in states])
    values = np.array([affine(w, f"{name}_value", each) if projects else each for each in states])
    heads = [slice(0, 2), slice(2, 4)]
    found = np.concatenate([softmax(keys[:, head] @ query[head] / sqrt(2)) @ values[:, head] for head in heads])
    return affine(w, f"{name}_output", found) if projects else found


def layer(w, index, words, regions, softmax):
    """Words and regions after a layer; every gate is computed from the concatenation of a word and a region."""
    name = f"layers_{index}"
    attended = [attend(w, f"{name}_word_attention", x, words, softmax, projects=True) for x in words]
    words = [add_norm(w, f"{name}_word_norms_0", x, seen) for x, seen in zip(words, attended, strict=True)]
    attended = [attend(w, f"{name}_region_attention", o, regions, softmax, projects=False) for o in regions]
    regions = [add_norm(w, f"{name}_region_norms_0", o, seen) for o, seen in zip(regions, attended, strict=True)]
    new_words, new_regions = [], []
    for x in words:
        message = np.zeros(4)
        for o in regions:
            message += sigmoid(affine(w, f"{name}_word_gate", np.concatenate([x, o]))) * o
        new_words.append(add_norm(w, f"{name}_word_norms_1", x, message))
    words_after = [
        add_norm(w, f"{name}_word_norms_2", x, feedforward(w, f"{name}_word_feedforward", x)) for x in new_words
    ]
    if hasattr(w, f"{name}_region_gate_weight"):
        for o in regions:
            message = np.zeros(4)
            for x in words:
                message += sigmoid(affine(w, f"{name}_region_gate", np.concatenate([x, o]))) * x
            o = add_norm(w, f"{name}_region_norms_1", o, message)
            new_regions.append(
                add_norm(w, f"{name}_region_norms_2", o, feedforward(w, f"{name}_region_feedforward", o))
            )
    return words_after, new_regions


@pytest.fixture
def model(make_fusion):
    """A small model with larger weights than those of the start, so that every term counts."""
    model = make_fusion(GraphFusion, **SMALL)
    torch.manual_seed(3)
    for parameter in model.parameters():
        parameter.data.uniform_(-0.7, 0.7)
    return model


def test_it_equals_its_equations(model, features, numpy_weights, each_word, softmax):
    fused, w = model.fuse(*features).detach().numpy(), numpy_weights(model)
    assert fused.shape == (3, 4, 12)
    for post, place, state, words, regions in each_word():
        nodes = [affine(w, "project_words", word) for word in words]
        objects = [np.maximum(affine(w, "project_image_0", region), 0) for region in regions]
        objects = [np.maximum(affine(w, "project_image_3", each), 0) for each in objects]
        for index in range(2):
            nodes, objects = layer(w, index, nodes, objects, softmax)
        assert np.allclose(fused[post, place], np.concatenate([state, nodes[place]]))


@pytest.mark.parametrize("chunk", [1, 20, 10**6])
def test_chunks_change_nothing(monkeypatch, chunk):
    torch.manual_seed(0)
    parts = [torch.randn(2, count, 3, dtype=torch.double, requires_grad=True) for count in (5, 4, 4)]
    mask = torch.tensor([[True, True, False, True], [False] * 4])
    monkeypatch.setattr(gated_sum, "CHUNK", chunk)
    queries, keys, values = parts
    found = gated_sum.gated_sum(queries, keys, values, mask)
    expected = sum(
        (queries + keys[:, j, None]).sigmoid() * values[:, j, None] * mask[:, j, None, None] for j in range(4)
    )
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(found)
    for mine, theirs in zip(
        torch.autograd.grad(found, parts, upstream), torch.autograd.grad(expected, parts, upstream), strict=True
    ):
        torch.testing.assert_close(mine, theirs)
    assert not found[1].any()


def test_pairs_are_never_stored(monkeypatch):
    monkeypatch.setattr(gated_sum, "CHUNK", 100)
    sizes = []
    queries, keys, values = (torch.randn(2, count, 3, requires_grad=True) for count in (50, 10, 10))
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: sizes.append(tensor.numel()), lambda tensor: tensor):
        gated_sum.gated_sum(queries, keys, values, torch.ones(2, 10, dtype=torch.bool))
    assert max(sizes, default=0) <= queries.numel()  # all pairs have 3,000 numbers


def test_without_an_image_it_is_a_transformer_over_the_words(model, features):
    text, image = features
    alone = model.fuse(text, image)[2]
    for layer in model.project_image, *(each.region_attention for each in model.layers):
        for parameter in layer.parameters():
            parameter.data.uniform_(-9, 9)
    image.regions[2] = 100.0
    torch.testing.assert_close(model.fuse(text, image)[2], alone, rtol=0, atol=0)


@pytest.mark.parametrize("arguments", [{"heads": 3}, {"num_layers": 0}, {"feedforward_size": 0}, {"heads": 0}])
def test_numbers_out_of_range(make_fusion, arguments):
    with pytest.raises(ConfigurationError, match=r"expected heads to divide the size .*, got|expected .* >= 1, got 0"):
        make_fusion(GraphFusion, **{**SMALL, **arguments})
    with pytest.raises(ConfigurationError, match=r"expected layer_dropout in \[0, 1\), got 1"):
        make_fusion(GraphFusion, **SMALL, layer_dropout=1.0)

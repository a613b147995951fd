"""Additive attention against a loop over pairs, and its memory on long posts."""

import pytest
import torch

from mner.fusion import additive_attention
from mner.fusion.additive_attention import AdditiveAttention


def inputs():
    torch.manual_seed(0)
    mask = torch.tensor([[True, True, True, False], [True, False, False, False], [False] * 4])
    return torch.randn(3, 5, 6, requires_grad=True), torch.randn(3, 4, 7, requires_grad=True), mask


def loop(layer, queries, keys, mask):
    """Equation by equation, a pair of query and key at a time."""
    weights = torch.zeros(len(queries), queries.shape[1], keys.shape[1])
    for post in range(len(queries)):
        real = [key for key in range(keys.shape[1]) if mask[post, key]]
        for query in range(queries.shape[1]):
            scores = []
            for key in real:
                parts = [layer.query(queries[post, query]), layer.key(keys[post, key])]
                scores.append(layer.score((torch.cat(parts) if layer.as_published else sum(parts)).tanh()))
            if scores:
                weights[post, query, real] = torch.cat(scores).softmax(0)
    return weights


@pytest.mark.parametrize("as_published", [False, True])
@pytest.mark.parametrize("chunk", [1, 3 * 4 * 8 * 2, 2**26])
def test_weights_and_gradients_equal_a_loop(as_published, chunk, monkeypatch):
    monkeypatch.setattr(additive_attention, "CHUNK", chunk)
    layer = AdditiveAttention(6, 7, 8, as_published)
    queries, keys, mask = inputs()
    toward = torch.randn(3, 5, 4)
    results = []
    for attend in (layer, lambda *given: loop(layer, *given)):
        layer.zero_grad()
        queries.grad = keys.grad = None
        weights = attend(queries, keys, mask)
        (weights * toward).sum().backward()
        results.append([weights.detach(), queries.grad, keys.grad, *(each.grad for each in layer.parameters())])
    for ours, slow in zip(*results, strict=True):
        torch.testing.assert_close(ours, slow, atol=1e-6, rtol=1e-5)


def test_what_is_stored_for_the_backward_pass_does_not_grow_with_the_pairs_times_the_width(monkeypatch):
    monkeypatch.setattr(additive_attention, "CHUNK", 10_000)
    layer = AdditiveAttention(6, 7, 50)
    queries, keys = torch.randn(1, 100, 6, requires_grad=True), torch.randn(1, 100, 7)
    stored = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: stored.append(tensor.numel()) or tensor, lambda it: it
    ):
        layer(queries, keys, torch.ones(1, 100, dtype=torch.bool))
    assert max(stored) <= 100 * 100

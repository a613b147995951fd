"""Multi-dimensional attention equals its equations, computed a pair at a time, whatever the chunks."""

import numpy as np
import torch

from mner.fusion import MultidimensionalAttention


def stanh(x):
    return 5 * np.tanh(x / 5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax_each_feature(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=0)


def affine(w, name, x):
    return getattr(w, f"{name}_weight") @ x + getattr(w, f"{name}_bias", 0)


def relation(first, second, regions, w):
    """``f'`` of word i, which looks, and word j."""
    pair = stanh(affine(w, "pair_first", second) + affine(w, "pair_second", first))
    if not regions:
        return pair
    of_pair = affine(w, "score_pair", np.maximum(affine(w, "score_hidden", pair), 0))
    scores = np.array([stanh(of_pair + affine(w, "score_region", region)) for region in regions])
    visual = (softmax_each_feature(scores) * np.array(regions)).sum(axis=0)
    filtering = sigmoid(affine(w, "filter_visual", visual) + affine(w, "filter_pair", pair))
    return filtering * pair + (1 - filtering) * visual


def test_it_equals_its_equations(make_fusion, features, numpy_weights, each_word):
    model = make_fusion(MultidimensionalAttention, size=5)
    fused, w = model.fuse(*features).detach().numpy(), numpy_weights(model)
    for post, place, word, words, regions in each_word():
        word, words = affine(w, "project_words", word), [affine(w, "project_words", other) for other in words]
        regions = [affine(w, "project_image", region) for region in regions]
        expected = []
        for others, gate in ((words[:place], "gate_before"), (words[place + 1 :], "gate_after")):
            read = np.zeros(5)
            if others:
                weights = softmax_each_feature(np.array([relation(word, other, regions, w) for other in others]))
                read = (weights * np.array(others)).sum(axis=0)
            open_ = sigmoid(affine(w, gate, np.concatenate([word, read])))
            expected.append(open_ * word + (1 - open_) * read)
        assert np.allclose(fused[post, place], np.concatenate(expected))


class KeptSizes(torch.autograd.graph.saved_tensors_hooks):
    """The sizes of the tensors that wait for the backward pass."""

    def __init__(self):
        self.sizes = []
        super().__init__(self.note, lambda tensor: tensor)

    def note(self, tensor):
        self.sizes.append(tensor.numel())
        return tensor

    def __enter__(self):
        super().__enter__()
        return self.sizes


def test_chunks_change_neither_values_nor_gradients_and_bound_what_is_kept(make_fusion, features, monkeypatch):
    model = make_fusion(MultidimensionalAttention, size=5)
    results, kept = [], []
    for chunk in (1, 150, 10**6):
        monkeypatch.setattr("mner.fusion.multidimensional_attention.CHUNK", chunk)
        model.zero_grad()
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: (sizes.append(t.numel()), t)[1], lambda t: t
        ):
            fused = model.fuse(*features)
        fused.pow(2).sum().backward()
        gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
        results.append([fused.detach(), *gradients])
        kept.append(max(sizes))
    for other in results[1:]:
        assert all(torch.allclose(*pair) for pair in zip(results[0], other, strict=True))
    assert max(kept) < 3 * 4 * 4 * 3 * 5  # of all pairs, regions and features, nothing waits for the backward pass

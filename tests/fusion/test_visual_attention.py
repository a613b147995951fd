"""Visual attention equals its equations, computed a word at a time."""

import numpy as np
import pytest

from mner.errors import ConfigurationError
from mner.fusion import VisualAttention


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def last_state(words, w):
    """The last state of an LSTM (Hochreiter and Schmidhuber 1997, with a forget gate)."""
    state = memory = np.zeros(7)
    for word in words:
        gates = w.query_weight_ih_l0 @ word + w.query_bias_ih_l0 + w.query_weight_hh_l0 @ state + w.query_bias_hh_l0
        enter, forget, candidate, leave = np.split(gates, 4)
        memory = sigmoid(forget) * memory + sigmoid(enter) * np.tanh(candidate)
        state = sigmoid(leave) * np.tanh(memory)
    return state


@pytest.mark.parametrize("as_published", [False, True])
def test_it_equals_its_equations(make_fusion, features, numpy_weights, each_word, softmax, as_published):
    model = make_fusion(VisualAttention, query_size=7, attention_size=5, as_published=as_published)
    fused, w = model.fuse(*features).detach().numpy(), numpy_weights(model)
    for post, place, word, words, regions in each_word():
        query = w.attend_query_weight @ last_state(words, w) + w.attend_query_bias
        scores = []
        for region in regions:
            key = w.attend_key_weight @ region
            joint = np.concatenate([query, key]) if as_published else query + key
            scores.append(w.attend_score_weight[0] @ np.tanh(joint))
        context = softmax(scores) @ regions if scores else np.zeros(6)
        gates = w.gates_of_words_weight @ word + w.gates_of_words_bias + w.gates_of_image_weight @ context
        visual, textual, mixed = np.split(gates, 3)
        expected = sigmoid(textual) * word + (sigmoid(visual) * np.tanh(mixed) if scores else 0)
        assert np.allclose(fused[post, place], expected)


def test_a_size_that_is_none(make_fusion):
    with pytest.raises(ConfigurationError, match="expected query_size >= 1, got 0"):
        make_fusion(VisualAttention, query_size=0)

"""Late fusion equals its equation, computed a word at a time."""

import numpy as np
import pytest

from mner.errors import ConfigurationError
from mner.fusion import LateFusion


def test_it_equals_its_equation(make_fusion, features, numpy_weights, each_word):
    model = make_fusion(LateFusion, image_size=5)
    fused, w = model.fuse(*features).detach().numpy(), numpy_weights(model)
    for post, place, word, _, regions in each_word():
        hidden = np.maximum(w.perceptron_0_weight @ features[1].pooled[post].numpy() + w.perceptron_0_bias, 0)
        shown = w.perceptron_2_weight @ hidden + w.perceptron_2_bias if len(regions) else np.zeros(5)
        assert np.allclose(fused[post, place], np.concatenate([word, shown]))


def test_a_size_that_is_none(make_fusion):
    with pytest.raises(ConfigurationError, match="expected image_size >= 1, got 0"):
        make_fusion(LateFusion, image_size=0)

"""What every decoder refuses, and what a user's own one inherits."""

from __future__ import annotations

import pytest
import torch

from mner.decoders import CRF, Decoder, Softmax
from mner.errors import ConfigurationError, ShapeError
from mner.labels import labels_for

LABELS = labels_for(["PER"])
MASK = torch.ones(2, 4, dtype=torch.bool)


@pytest.fixture(params=[CRF, Softmax])
def decoder(request):
    return request.param()


CALLS = {
    "loss": lambda decoder, emissions, mask, tags: decoder.loss(emissions, tags, mask),
    "decode": lambda decoder, emissions, mask, tags: decoder.decode(emissions, mask),
    "marginals": lambda decoder, emissions, mask, tags: decoder.marginals(emissions, mask),
    "confidence": lambda decoder, emissions, mask, tags: decoder.confidence(emissions, mask, tags),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_it_must_be_bound_first(decoder, call):
    with pytest.raises(ConfigurationError, match=r"call \w+\.bind\(labels\)"):
        call(decoder, torch.zeros(2, 4, 3), MASK, MASK.long())


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 3, 3), (2, 4)])
def test_emissions_of_another_shape(decoder, call, shape):
    decoder.bind(LABELS)
    with pytest.raises(ShapeError, match=r"expected a mask \(B, W\) and emissions \(B, W, 3\)"):
        call(decoder, torch.zeros(shape), MASK, MASK.long())


def test_tags_of_another_shape(decoder):
    decoder.bind(LABELS)
    with pytest.raises(ShapeError, match="expected tags of shape"):
        decoder.loss(torch.zeros(2, 4, 3), MASK.long()[:, 1:], MASK)


def test_it_is_bound_once(decoder):
    decoder.bind(LABELS)
    with pytest.raises(ConfigurationError, match="bound to 3 labels"):
        decoder.bind(LABELS)


def test_it_needs_labels(decoder):
    with pytest.raises(ConfigurationError, match="at least one label"):
        decoder.bind([])


def test_the_base_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Decoder("mean")


def test_a_loss_over_no_post_is_zero(decoder):
    decoder.bind(LABELS)
    loss = decoder.loss(torch.zeros(0, 0, 3, requires_grad=True), MASK.long()[:0, :0], MASK[:0, :0])
    loss.backward()
    assert loss == 0

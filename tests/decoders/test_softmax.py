"""The softmax decoder against cross entropy and argmax."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from mner.decoders import Softmax
from mner.labels import labels_for, spans

LABELS = labels_for(["PER", "LOC"])


@pytest.fixture
def batch():
    torch.manual_seed(0)
    mask = torch.arange(6) < torch.tensor([[6], [0], [3], [1]])
    return torch.randn(4, 6, len(LABELS), requires_grad=True), torch.randint(len(LABELS), (4, 6)), mask


def softmax(**options):
    decoder = Softmax(**options)
    decoder.bind(LABELS)
    return decoder


@pytest.mark.parametrize(("reduction", "share"), [("token_mean", 1 / 10), ("sum", 1.0), ("mean", 1 / 4)])
def test_loss_is_the_cross_entropy_of_the_words(batch, reduction, share):
    emissions, tags, mask = batch
    expected = cross_entropy(emissions[mask], tags[mask], reduction="sum") * share
    (gradient,) = torch.autograd.grad(expected, emissions, retain_graph=True)
    loss = softmax(reduction=reduction).loss(emissions, tags, mask)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, emissions)[0], gradient)


def test_the_default_is_the_mean_over_words():
    assert Softmax().reduction == "token_mean"


def test_tags_and_marginals_are_each_words_own(batch):
    emissions, _, mask = batch
    assert softmax().decode(emissions, mask).equal(emissions.argmax(2).masked_fill(~mask, 0))
    expected = emissions.softmax(2).masked_fill(~mask[..., None], 0)
    torch.testing.assert_close(softmax().marginals(emissions, mask), expected)


def test_constraints_give_the_best_legal_sequence(batch):
    emissions, _, mask = batch
    decoded = softmax(constraints="decode").decode(emissions, mask)
    free = softmax().decode(emissions, mask)
    assert not decoded.equal(free)
    for row, length in zip(decoded, mask.sum(1), strict=True):
        tags = [LABELS[tag] for tag in row[:length]]
        assert spans(tags, "strict") == spans(tags)


def test_confidence_is_the_product_over_the_entitys_words(batch):
    emissions, tags, mask = batch
    tags[0] = torch.tensor([0, 1, 2, 0, 3, 1])  # O B-PER I-PER O B-LOC B-PER
    p = emissions.softmax(2)[0]
    confidence = softmax().confidence(emissions, mask, tags)[0]
    expected = [p[1, 1] * p[2, 2] * (1 - p[3, 2]), p[4, 3] * (1 - p[5, 4]), p[5, 1]]
    torch.testing.assert_close(confidence[[1, 4, 5]], torch.stack(expected))
    assert confidence[[0, 2, 3]].eq(0).all()

"""The softmax decoder against cross entropy and argmax."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from mner.decoders import Softmax
from mner.decoders.chain_decoder import ChainDecoder
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
    """Where a sibling label has no chance, so that one spelling is left."""
    emissions, tags, mask = batch
    tags[0] = torch.tensor([0, 1, 2, 0, 3, 1])  # O B-PER I-PER O B-LOC B-PER
    siblings = torch.tensor([2, 4, 2])
    emissions.data[0, [1, 4, 5], siblings] = -1e4
    p = emissions.softmax(2)[0]
    confidence = softmax().confidence(emissions, mask, tags)[0]
    expected = [p[1, 1] * p[2, 2] * (1 - p[3, 2]), p[4, 3] * (1 - p[5, 4]), p[5, 1]]
    torch.testing.assert_close(confidence[[1, 4, 5]], torch.stack(expected))
    assert confidence[[0, 2, 3]].eq(0).all()


def test_what_is_in_the_padding_changes_nothing(batch):
    emissions, tags, mask = batch
    expected = softmax().loss(emissions, tags, mask)
    (gradient,) = torch.autograd.grad(expected, emissions)
    dirty = emissions.detach().masked_fill(~mask[..., None], torch.nan).requires_grad_()
    loss = softmax().loss(dirty, tags.masked_fill(~mask, 77), mask)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, dirty)[0], gradient)


def test_it_computes_in_float32_at_least(batch):
    emissions, tags, mask = batch
    rounded = emissions.detach().bfloat16()
    assert softmax().loss(rounded, tags, mask).equal(softmax().loss(rounded.float(), tags, mask))
    assert softmax().marginals(rounded, mask).dtype == torch.float32


@pytest.mark.parametrize("constraints", ["none", "decode", "both"])
def test_the_chain_of_zeros_gives_the_same(batch, constraints):
    """The base class runs the exact chain; without constraints there is a shorter way to the same numbers."""
    emissions, tags, mask = batch
    decoder = softmax(constraints=constraints)
    ways = {
        "negative_log_likelihood": (emissions, tags, mask),
        "decode": (emissions, mask),
        "marginals": (emissions, mask),
        "confidence": (emissions, mask, tags),
    }
    for name, given in ways.items():
        torch.testing.assert_close(getattr(decoder, name)(*given), getattr(ChainDecoder, name)(decoder, *given))

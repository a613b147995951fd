"""The n best paths and the temperature, against an enumeration of all tag sequences."""

import itertools

import pytest
import torch

from mner.decoders import CRF, Softmax
from mner.errors import ConfigurationError

LABELS = ["O", "B-PER", "I-PER"]


def decoder(cls, **arguments):
    torch.manual_seed(1)
    made = cls(**arguments)
    made.bind(LABELS)
    return made.requires_grad_(False)


def enumerated(decoder, emissions, temperature=1.0):
    """All sequences of one post with their probabilities, the most probable first."""
    chain = decoder.chain()
    scores = {}
    for tags in itertools.product(range(len(LABELS)), repeat=len(emissions)):
        steps = sum(chain.transitions[left, right] for left, right in itertools.pairwise(tags))
        ends = chain.start[tags[0]] + chain.end[tags[-1]]
        scores[tags] = (ends + steps + sum(emissions[word, tag] for word, tag in enumerate(tags))) / temperature
    probabilities = torch.stack(list(scores.values())).softmax(0)
    return sorted(zip(scores, probabilities.tolist(), strict=True), key=lambda pair: -pair[1])


@pytest.mark.parametrize("cls", [CRF, Softmax])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_against_all_sequences(cls, temperature):
    made = decoder(cls, temperature=temperature)
    emissions = torch.randn(3, 4, 3)
    mask = torch.tensor([[True] * 4, [True] * 2 + [False] * 2, [True] + [False] * 3])
    tags, probabilities = made.n_best(emissions, mask, 7)
    for post, words in enumerate((4, 2, 1)):
        expected = enumerated(made, emissions[post, :words], temperature)[:7]
        found = [tuple(each[:words]) for each in tags[post].tolist()]
        assert found[: len(expected)] == [sequence for sequence, _ in expected]
        assert probabilities[post, : len(expected)].tolist() == pytest.approx([p for _, p in expected], abs=1e-5)
        assert probabilities[post, len(expected) :].tolist() == [0] * (7 - len(expected))
        assert not tags[post, :, words:].any()
    assert torch.equal(tags[:, 0], made.decode(emissions, mask))


@pytest.mark.parametrize("cls", [CRF, Softmax])
def test_constraints_hold_in_every_sequence(cls):
    made = decoder(cls, constraints="decode")
    tags, probabilities = made.n_best(torch.randn(1, 3, 3), torch.ones(1, 3, dtype=torch.bool), 27)
    legal = tags[0][probabilities[0] > 1e-9]
    assert len(legal) == sum(
        all(right != 2 or left != 0 for left, right in itertools.pairwise((0, *sequence)))
        for sequence in itertools.product(range(3), repeat=3)
    )
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_posts_without_words():
    made = decoder(CRF)
    tags, probabilities = made.n_best(torch.zeros(2, 0, 3), torch.zeros(2, 0, dtype=torch.bool), 3)
    assert tags.shape == (2, 3, 0)
    assert probabilities.tolist() == [[1, 0, 0]] * 2
    _, probabilities = made.n_best(torch.zeros(1, 2, 3), torch.zeros(1, 2, dtype=torch.bool), 3)
    assert probabilities.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("cls", [CRF, Softmax])
@pytest.mark.parametrize("constraints", ["none", "decode"])
def test_a_temperature_changes_probabilities_only(cls, constraints):
    made = decoder(cls, constraints=constraints)
    emissions, mask, tags = torch.randn(2, 5, 3), torch.ones(2, 5, dtype=torch.bool), torch.zeros(2, 5).long()
    before = made.decode(emissions, mask), made.loss(emissions, tags, mask)
    sharp = made.n_best(emissions, mask, 1)[1]
    made.temperature = 100.0
    assert torch.equal(made.decode(emissions, mask), before[0])
    assert torch.equal(made.loss(emissions, tags, mask), before[1])
    assert (made.n_best(emissions, mask, 1)[1] < sharp).all()
    confidence = made.confidence(emissions, mask, before[0])
    assert confidence[confidence > 0].max() < 0.6


def test_marginals_at_a_temperature_are_those_of_all_sequences():
    made = decoder(CRF, temperature=3.0)
    emissions = torch.randn(1, 3, 3)
    expected = torch.zeros(3, 3)
    for sequence, probability in enumerated(made, emissions[0], 3.0):
        for word, tag in enumerate(sequence):
            expected[word, tag] += probability
    assert torch.allclose(made.marginals(emissions, torch.ones(1, 3, dtype=torch.bool))[0], expected, atol=1e-5)


@pytest.mark.parametrize("temperature", [0, -1.0, float("inf"), float("nan")])
def test_a_temperature_is_positive(temperature):
    with pytest.raises(ConfigurationError, match="expected a temperature greater than 0"):
        CRF().temperature = temperature

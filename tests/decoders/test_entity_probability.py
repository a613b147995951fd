"""The probability of an entity against the enumeration of every tag sequence that spells it."""

from __future__ import annotations

import itertools

import pytest
import torch

from mner.decoders import CRF, Softmax
from mner.decoders.entity_probability import Spelling
from mner.labels import labels_for, legal_transitions, spans

LABEL_SETS = {
    "BIO": labels_for(["PER", "LOC"]),
    "BIOES": labels_for(["PER"], "BIOES"),
    "no B-LOC": ["I-LOC", "O", "B-PER", "I-PER"],
    "one type": labels_for(["PER"]),
}
LENGTHS = [4, 1, 0, 3]


def bound(cls, labels, constraints):
    torch.manual_seed(0)
    decoder = cls(constraints=constraints)
    decoder.bind(labels)
    for parameter in decoder.parameters():
        parameter.data = torch.randn_like(parameter) * 2
    return decoder.double()


def brute_force(decoder, labels, emissions, length):
    """Probability of each entity (type, start, end) that a post of this length can have."""
    crf = isinstance(decoder, CRF)
    start, between, end = legal_transitions(labels)
    paths, scores = [], []
    for path in itertools.product(range(len(labels)), repeat=length):
        pairs = list(itertools.pairwise(path))
        if decoder.constraints != "none" and not (
            start[path[0]] and end[path[-1]] and all(between[left][right] for left, right in pairs)
        ):
            continue
        score = sum(emissions[place, label] for place, label in enumerate(path))
        if crf:
            score = score + decoder.start_transitions[path[0]] + decoder.end_transitions[path[-1]]
            score = score + sum(decoder.transitions[left, right] for left, right in pairs)
        paths.append(path)
        scores.append(score)
    result = {}
    for path, probability in zip(paths, torch.stack(scores).softmax(0).tolist(), strict=True):
        for entity in spans([labels[label] for label in path]):
            result[entity.span] = result.get(entity.span, 0) + probability
    return result


@pytest.mark.parametrize("constraints", ["none", "decode"])
@pytest.mark.parametrize("labels", LABEL_SETS.values(), ids=LABEL_SETS)
@pytest.mark.parametrize("cls", [CRF, Softmax])
def test_it_sums_every_spelling_of_the_entity(cls, labels, constraints):
    decoder = bound(cls, labels, constraints)
    checked = 0
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        emissions = torch.randn(len(LENGTHS), 4, len(labels), generator=generator, dtype=torch.float64)
        tags = torch.randint(len(labels), (len(LENGTHS), 4), generator=generator)
        mask = torch.arange(4) < torch.tensor(LENGTHS)[:, None]
        found = decoder.confidence(emissions, mask, tags)
        for post, length in enumerate(LENGTHS):
            if not length:
                continue
            expected = brute_force(decoder, labels, emissions[post], length)
            row = [0.0] * 4
            for entity in spans([labels[tag] for tag in tags[post, :length].tolist()]):
                row[entity.start] = expected.get(entity.span, 0.0)
                checked += 1
            assert found[post].tolist() == pytest.approx(row, abs=1e-9)
    assert checked > 10


@pytest.mark.parametrize("cls", [CRF, Softmax])
def test_spellings_of_one_entity_have_one_confidence(cls):
    """B-PER I-PER and the orphan I-PER I-PER are the same person to conlleval."""
    decoder = bound(cls, LABEL_SETS["BIO"], "none")
    emissions, mask = torch.randn(2, 4, 5, dtype=torch.float64), torch.ones(2, 4, dtype=torch.bool)
    emissions[1] = emissions[0]
    confidence = decoder.confidence(emissions, mask, torch.tensor([[0, 1, 2, 0], [0, 2, 2, 0]]))
    assert confidence[0, 1] == pytest.approx(confidence[1, 1].item())
    assert confidence.sum(1).tolist() == pytest.approx(confidence[:, 1].tolist())


def test_siblings_are_the_labels_of_a_type():
    assert Spelling.of(["O", "B-PER", "B-LOC", "I-PER"]).siblings.tolist() == [[-1, -1], [1, 3], [2, -1], [1, 3]]
    assert Spelling.of(["O"]).siblings.tolist() == [[-1]]

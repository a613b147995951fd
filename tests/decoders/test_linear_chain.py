"""Inference in a chain against enumeration of every path, in double precision."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from mner.decoders.chain_decoder import FORBIDDEN
from mner.decoders.entity_probability import Spelling
from mner.decoders.linear_chain import Chain, best_path, entity_probability, log_marginals, negative_log_likelihood
from mner.labels import labels_for, legal_transitions, spans

LABELS = labels_for(["PER", "LOC"])
LENGTHS = [4, 0, 1, 3, 2]
SPELLING = Spelling.of(LABELS)


class Case:
    """A ragged batch, its chain, and what enumeration says of it."""

    def __init__(self, kind: str, dtype: torch.dtype = torch.float64, seed: int = 0) -> None:
        torch.manual_seed(seed)
        size, words = len(LABELS), max(LENGTHS)
        scale = 1e4 if kind == "extreme" else 2.0
        self.emissions = (torch.rand(len(LENGTHS), words, size, dtype=dtype) * 2 - 1) * scale
        parts = [torch.randn(size, dtype=dtype), torch.randn(size, size, dtype=dtype), torch.randn(size, dtype=dtype)]
        if kind in ("constrained", "extreme"):
            legal = map(torch.tensor, legal_transitions(LABELS))
            parts = [part.masked_fill(~allowed, FORBIDDEN) for part, allowed in zip(parts, legal, strict=True)]
        self.chain = Chain(*parts)
        self.mask = torch.arange(words) < torch.tensor(LENGTHS)[:, None]
        self.tags = torch.randint(size, self.mask.shape)
        self.tags[0] = torch.tensor([2, 0, 1, 2])  # a stray I-PER, then a whole PER

    def paths(self, post: int) -> tuple[list[tuple[int, ...]], torch.Tensor]:
        """Every path of a post, and its log probability."""
        start, transitions, end = (part.double() for part in self.chain)
        paths, scores = list(itertools.product(range(len(LABELS)), repeat=LENGTHS[post])), []
        for path in paths:
            score = start[path[0]] + end[path[-1]]
            score = score + sum(transitions[i, j] for i, j in itertools.pairwise(path))
            scores.append(score + sum(self.emissions[post, t, j].double() for t, j in enumerate(path)))
        return paths, torch.stack(scores).log_softmax(0)


@pytest.fixture(params=["free", "constrained"])
def case(request):
    return Case(request.param)


def words_of(case):
    return [post for post, length in enumerate(LENGTHS) if length]


def test_likelihood(case):
    losses = negative_log_likelihood(case.emissions, case.tags, case.mask, case.chain)
    assert losses[LENGTHS.index(0)] == 0
    for post in words_of(case):
        paths, logs = case.paths(post)
        gold = tuple(case.tags[post, : LENGTHS[post]].tolist())
        assert losses[post].item() == pytest.approx(-logs[paths.index(gold)].item(), rel=1e-9)


def test_best_path(case):
    decoded = best_path(case.emissions, case.mask, case.chain)
    assert decoded.masked_select(~case.mask).eq(0).all()
    for post in words_of(case):
        paths, logs = case.paths(post)
        assert tuple(decoded[post, : LENGTHS[post]].tolist()) == paths[logs.argmax()]


def marginals(emissions, mask, chain):
    return log_marginals(emissions, mask, chain).exp().masked_fill(~mask[..., None], 0)


def test_marginals(case):
    result = marginals(case.emissions, case.mask, case.chain)
    assert result[~case.mask].eq(0).all()
    for post in words_of(case):
        torch.testing.assert_close(result[post, : LENGTHS[post]], enumerated_marginals(*case.paths(post)))


def enumerated_marginals(paths, logs):
    result = torch.zeros(len(paths[0]), len(LABELS), dtype=torch.float64)
    for path, log in zip(paths, logs, strict=True):
        for position, label in enumerate(path):
            result[position, label] += log.exp()
    return result


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["free", "constrained"])
def test_entity_probability(kind, seed):
    case = Case(kind, seed=seed)
    result = entity_probability(case.emissions, case.mask, case.tags, case.chain, SPELLING)
    expected = torch.zeros_like(result)
    for post in words_of(case):
        paths, logs = case.paths(post)
        tags = tuple(case.tags[post, : LENGTHS[post]].tolist())
        for entity in spans([LABELS[tag] for tag in tags]):
            for path, log in zip(paths, logs, strict=True):
                if entity in spans([LABELS[tag] for tag in path]):
                    expected[post, entity.start] += log.exp()
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("seed", range(5))
def test_float32_holds_for_emissions_of_ten_thousand(seed):
    case = Case("extreme", torch.float32, seed)
    case.tags = best_path(case.emissions, case.mask, case.chain)
    losses = negative_log_likelihood(case.emissions, case.tags, case.mask, case.chain)
    result = marginals(case.emissions, case.mask, case.chain)
    worst = torch.zeros_like(case.tags)
    worst_losses = negative_log_likelihood(case.emissions, worst, case.mask, case.chain)
    for post in words_of(case):
        paths, logs = case.paths(post)
        assert tuple(case.tags[post, : LENGTHS[post]].tolist()) == paths[logs.argmax()]
        assert losses[post].item() == pytest.approx(-logs.max().item(), abs=1e-2)
        assert worst_losses[post].item() == pytest.approx(-logs[0].item(), rel=1e-6, abs=1e-2)
        expected = enumerated_marginals(paths, logs)
        torch.testing.assert_close(result[post, : LENGTHS[post]].double(), expected, atol=1e-2, rtol=0)


def test_an_illegal_gold_sequence_has_a_finite_loss_and_gradient():
    case = Case("constrained", torch.float32)
    emissions = case.emissions.requires_grad_()
    losses = negative_log_likelihood(emissions, case.tags, case.mask, case.chain)
    losses.sum().backward()
    assert losses[0].item() == pytest.approx(-FORBIDDEN, rel=1e-3)
    assert emissions.grad.isfinite().all()
    assert emissions.grad.abs().max() <= 1


def test_gradients(case):
    inputs = [part.clone().requires_grad_() for part in (case.emissions, *case.chain)]

    def likelihood(emissions, *chain):
        return negative_log_likelihood(emissions, case.tags, case.mask, Chain(*chain))

    def probabilities(emissions, *chain):
        return marginals(emissions, case.mask, Chain(*chain))

    if case.chain.start.min() > FORBIDDEN:  # finite differences of a million lose the digits they compare
        assert torch.autograd.gradcheck(likelihood, inputs)
    assert torch.autograd.gradcheck(probabilities, inputs)


def test_gradient_is_expected_minus_observed_counts():
    case = Case("constrained")
    emissions = case.emissions.requires_grad_()
    negative_log_likelihood(emissions, case.tags, case.mask, case.chain).sum().backward()
    observed = torch.nn.functional.one_hot(case.tags, len(LABELS)) * case.mask[..., None]
    torch.testing.assert_close(emissions.grad, marginals(case.emissions, case.mask, case.chain).detach() - observed)


def test_what_stands_on_padding_changes_nothing(case):
    expected = everything(case)
    case.emissions[~case.mask] = torch.nan
    case.tags[~case.mask] = -100
    for left, right in zip(everything(case), expected, strict=True):
        torch.testing.assert_close(left, right)


@pytest.mark.parametrize(("posts", "words"), [(2, 0), (0, 3), (0, 0)])
def test_a_batch_of_nothing(case, posts, words):
    case.emissions = torch.zeros(posts, words, len(LABELS), requires_grad=True)
    case.mask, case.tags = torch.zeros(posts, words, dtype=torch.bool), torch.zeros(posts, words, dtype=torch.long)
    losses, decoded, probabilities, entities = everything(case)
    assert losses.eq(0).all()
    assert (losses.shape, decoded.shape, entities.shape) == ((posts,), (posts, words), (posts, words))
    assert probabilities.shape == (posts, words, len(LABELS))
    losses.sum().backward()
    assert case.emissions.grad.eq(0).all()


def everything(case):
    return (
        negative_log_likelihood(case.emissions, case.tags, case.mask, case.chain),
        best_path(case.emissions, case.mask, case.chain),
        marginals(case.emissions, case.mask, case.chain),
        entity_probability(case.emissions, case.mask, case.tags, case.chain, SPELLING),
    )


def test_nothing_asks_the_device_for_a_value():
    """A fake tensor has no values, and raises where one is asked for."""
    case = Case("free")
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        for name in ("emissions", "mask", "tags"):
            setattr(case, name, mode.from_tensor(getattr(case, name)))
        case.chain = Chain(*(mode.from_tensor(part).requires_grad_() for part in case.chain))
        losses, decoded, _, entities = everything(case)
        losses.sum().backward()
    assert losses.shape == (len(LENGTHS),)
    assert decoded.shape == entities.shape == case.mask.shape


def test_the_number_of_operations_does_not_grow_with_the_posts():
    class Counter(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.count += 1
            return func(*args, **(kwargs or {}))

    counts = []
    for repeat in (1, 9):
        case = Case("free")
        for name in ("emissions", "mask", "tags"):
            tensor = getattr(case, name)
            setattr(case, name, tensor.repeat(repeat, *[1] * (tensor.dim() - 1)))
        case.emissions.requires_grad_()
        with Counter() as counter:
            everything(case)[0].sum().backward()
        counts.append(counter.count)
    assert counts[0] == counts[1]

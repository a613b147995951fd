"""The CRF against pytorch-crf, and its options."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torchcrf
from hypothesis import given, settings
from hypothesis import strategies as st

from mner.components import from_config, to_config
from mner.decoders import CRF
from mner.decoders.chain_decoder import MANY_LABELS
from mner.errors import ConfigurationError, LabelError
from mner.labels import labels_for, legal_transitions

LABELS = labels_for(["PER", "LOC", "ORG", "MISC"])


def pair(labels=LABELS, scale=1.0, **options):
    """Our CRF and pytorch-crf's, with the same parameters."""
    crf, peer = CRF(**options), torchcrf.CRF(len(labels), batch_first=True)
    crf.bind(labels)
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.mul_(scale)
    crf.load_state_dict(peer.state_dict())
    return crf, peer


def ragged(posts=7, words=12, labels=LABELS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    emissions = torch.randn(posts, words, len(labels), generator=generator) * 3
    tags = torch.randint(len(labels), (posts, words), generator=generator)
    lengths = torch.randint(1, words + 1, (posts, 1), generator=generator)
    return emissions, tags, torch.arange(words) < lengths


def check_loss_and_gradients(crf, peer, emissions, tags, mask, gradient_atol, **tolerance):
    """Both are those of pytorch-crf."""
    ours, theirs = emissions.clone().requires_grad_(), emissions.clone().requires_grad_()
    loss, expected = crf.loss(ours, tags, mask), -peer(theirs, tags, mask)
    torch.testing.assert_close(loss, expected, **tolerance)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=gradient_atol)
    for name, parameter in crf.named_parameters():
        torch.testing.assert_close(parameter.grad, peer.get_parameter(name).grad, rtol=1e-3, atol=1e-4)


@given(st.integers(1, 5), st.integers(2, 9), st.integers(0, 10**6), st.sampled_from([1.0, 30.0]))
@settings(deadline=None, max_examples=20)
def test_loss_gradients_and_tags_are_pytorch_crfs(posts, words, seed, scale):
    crf, peer = pair(scale=scale, reduction="sum")
    emissions, tags, mask = ragged(posts, words, seed=seed)
    check_loss_and_gradients(crf, peer, emissions, tags, mask, gradient_atol=1e-4, rtol=1e-4, atol=1e-4)
    assert [row[keep].tolist() for row, keep in zip(crf.decode(emissions, mask), mask, strict=True)] == peer.decode(
        emissions, mask
    )


@pytest.mark.parametrize("reduction", ["mean", "token_mean", "sum"])
def test_reductions_are_pytorch_crfs(reduction):
    crf, peer = pair(reduction=reduction)
    emissions, tags, mask = ragged()
    torch.testing.assert_close(crf.loss(emissions, tags, mask), -peer(emissions, tags, mask, reduction))


def test_parameters_are_named_shaped_and_initialised_as_pytorch_crfs():
    crf, peer = CRF(), torchcrf.CRF(len(LABELS))
    crf.bind(LABELS)
    ours, theirs = crf.state_dict(), peer.state_dict()
    assert {name: part.shape for name, part in ours.items()} == {name: part.shape for name, part in theirs.items()}
    assert all(part.abs().max() <= 0.1 and part.std() > 0.02 for part in ours.values())


def test_parameters_are_shared_with_a_torchcrf():
    crf, _ = pair(reduction="sum")
    peer = crf.as_torchcrf()
    assert isinstance(peer, torchcrf.CRF)
    assert all(peer.get_parameter(name) is parameter for name, parameter in crf.named_parameters())
    plain = torchcrf.CRF(len(LABELS), batch_first=True)
    plain.load_state_dict(crf.state_dict())
    emissions, tags, mask = ragged()
    torch.testing.assert_close(crf.loss(emissions, tags, mask), -plain(emissions, tags, mask))
    torch.testing.assert_close(crf.loss(emissions, tags, mask), -peer(emissions, tags, mask))


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_many_labels_are_summed_by_matrix_products_to_the_same(scale):
    labels = labels_for([f"T{index}" for index in range(MANY_LABELS)])
    crf, peer = pair(labels, scale, reduction="sum")
    emissions, tags, mask = ragged(5, 9, labels)
    check_loss_and_gradients(crf, peer, emissions, tags, mask, gradient_atol=1e-5, rtol=1e-5, atol=1e-3)


def test_many_labels_with_extreme_emissions_have_a_finite_loss_and_gradient():
    labels = labels_for([f"T{index}" for index in range(MANY_LABELS)])
    crf, _ = pair(labels)
    emissions, tags, mask = ragged(5, 9, labels)
    emissions = (emissions * 1e4).requires_grad_()
    loss = crf.loss(emissions, tags, mask)
    double = copy.deepcopy(crf).double().loss(emissions.detach().double(), tags, mask)
    assert loss.item() == pytest.approx(double.item(), rel=1e-5)
    loss.backward()
    assert all(part.grad.isfinite().all() for part in (emissions, *crf.parameters()))


def test_constraints_can_be_changed_at_scoring():
    crf, _ = pair()
    emissions, _, mask = ragged(40)
    constrained, _ = pair(constraints="decode")
    constrained.load_state_dict(crf.state_dict())
    assert not crf.decode(emissions, mask).equal(constrained.decode(emissions, mask))
    crf.constraints = "decode"
    assert crf.decode(emissions, mask).equal(constrained.decode(emissions, mask))
    assert from_config(to_config(crf)).constraints == "decode"
    with pytest.raises(ConfigurationError, match="constraints to be one of none, decode, both, got 'soft'"):
        crf.constraints = "soft"


def test_autocast_changes_nothing_beyond_the_emissions_own_rounding():
    crf, _ = pair()
    emissions, tags, mask = ragged()
    rounded = emissions.bfloat16()
    expected = crf.loss(rounded.float(), tags, mask), crf.decode(rounded.float(), mask)
    with torch.autocast("cpu", torch.bfloat16):
        loss, decoded = crf.loss(rounded.requires_grad_(), tags, mask), crf.decode(rounded, mask)
    loss.backward()
    assert loss.dtype == torch.float32
    assert rounded.grad.dtype == torch.bfloat16
    torch.testing.assert_close(loss, expected[0])
    assert decoded.equal(expected[1])


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("constraints", ["decode", "both"])
def test_constrained_tags_are_legal(scheme, scale, constraints):
    labels = labels_for(["PER", "LOC"], scheme)
    crf, _ = pair(labels, constraints=constraints)
    emissions, _, mask = ragged(40, 9, labels)
    start, between, end = map(torch.tensor, legal_transitions(labels))
    decoded = crf.decode(emissions * scale, mask)
    assert start[decoded[:, 0]].all()
    assert between[decoded[:, :-1], decoded[:, 1:]][mask[:, 1:]].all()
    assert end[decoded.gather(1, mask.sum(1, keepdim=True) - 1)].all()


def test_constraints_enter_the_loss_only_where_both_is_said():
    emissions, _, mask = ragged()
    tags = torch.zeros_like(mask, dtype=torch.long)
    losses = {}
    for constraints in ("none", "decode", "both"):
        torch.manual_seed(0)
        losses[constraints] = pair(constraints=constraints)[0].loss(emissions, tags, mask)
    assert losses["none"] == losses["decode"]
    assert losses["both"] < losses["none"]  # the same tags, with fewer rivals


def test_it_learns_to_tell_tags_by_their_neighbours():
    """Words alike, so that only the transitions can tell that I-PER follows B-PER."""
    labels = labels_for(["PER"])
    crf, _ = pair(labels)
    emissions = torch.zeros(1, 4, 3)
    emissions[0, 0, 1] = emissions[0, 3, 0] = 3
    tags, mask = torch.tensor([[1, 2, 2, 0]]), torch.ones(1, 4, dtype=torch.bool)
    optimizer = torch.optim.Adam(crf.parameters(), lr=0.3)
    for _ in range(25):
        optimizer.zero_grad()
        loss = crf.loss(emissions, tags, mask)
        loss.backward()
        optimizer.step()
    assert crf.decode(emissions, mask).equal(tags)
    assert loss < 0.5


def test_confidence_is_high_on_what_the_emissions_say_clearly():
    crf, _ = pair()
    tags, mask = torch.tensor([[1, 2, 0, 3]]), torch.ones(1, 4, dtype=torch.bool)
    emissions = torch.nn.functional.one_hot(tags, len(LABELS)) * 20.0
    confidence = crf.confidence(emissions, mask, crf.decode(emissions, mask))
    assert confidence[0, [0, 3]].min() > 0.999
    assert confidence[0, [1, 2]].eq(0).all()


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda crf: pickle.loads(pickle.dumps(crf))])
def test_copies_decode_alike(clone):
    crf, _ = pair(constraints="both")
    emissions, _, mask = ragged()
    assert clone(crf).decode(emissions, mask).equal(crf.decode(emissions, mask))


def test_it_is_rebuilt_from_its_config():
    crf = CRF(constraints="decode")
    crf.bind(LABELS)
    twin = from_config(to_config(crf))
    twin.bind(LABELS)
    twin.load_state_dict(crf.state_dict())
    assert (twin.constraints, twin.reduction) == ("decode", "mean")


def test_bad_labels_and_options():
    with pytest.raises(ConfigurationError, match="constraints to be 'none' or 'decode' or 'both', got 'always'"):
        CRF(constraints="always")
    with pytest.raises(ConfigurationError, match="reduction"):
        CRF(reduction="median")
    with pytest.raises(LabelError, match="BILOU"):
        CRF().bind(["O", "U-PER"])

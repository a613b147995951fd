"""Batches: every post once an epoch, the same in all processes, within the budget."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mner.data.length_grouped_batches import LengthGroupedBatchSampler

LENGTHS = np.random.default_rng(0).integers(3, 60, 500).tolist()


def cases(test):
    """Run a test over buckets of all kinds."""
    arguments = {
        "lengths": st.lists(st.integers(1, 30), max_size=120),
        "batch_size": st.integers(1, 9),
        "max_tokens": st.one_of(st.none(), st.integers(1, 90)),
        "shuffle": st.booleans(),
        "epoch": st.integers(0, 3),
    }
    return settings(deadline=None)(given(**arguments)(test))


def posts_of(batches):
    return sorted(chain.from_iterable(batches))


@cases
def test_every_post_once_and_as_many_batches_as_said(lengths, batch_size, max_tokens, shuffle, epoch):
    buckets = LengthGroupedBatchSampler(lengths, batch_size, max_tokens, shuffle=shuffle)
    buckets.set_epoch(epoch)
    batches = list(buckets)
    assert posts_of(batches) == list(range(len(lengths)))
    assert len(batches) == len(buckets)
    for batch in batches:
        assert 1 <= len(batch) <= batch_size
        assert max_tokens is None or len(batch) == 1 or len(batch) * max(lengths[post] for post in batch) <= max_tokens


@cases
def test_processes_share_a_training_evenly_and_an_evaluation_without_repetition(
    lengths, batch_size, max_tokens, shuffle, epoch
):
    ranks = [
        LengthGroupedBatchSampler(lengths, batch_size, max_tokens, shuffle=shuffle, num_replicas=3, rank=rank)
        for rank in range(3)
    ]
    for buckets in ranks:
        buckets.set_epoch(epoch)
    shares = [list(buckets) for buckets in ranks]
    assert [len(share) for share in shares] == [len(buckets) for buckets in ranks]
    if shuffle:
        assert len({len(share) for share in shares}) == 1
        alone = LengthGroupedBatchSampler(lengths, batch_size, max_tokens)
        alone.set_epoch(epoch)
        assert len(shares[0]) == -(-len(alone) // 3)
        assert set(chain.from_iterable(chain.from_iterable(shares))) == set(range(len(lengths)))
    else:
        assert posts_of(chain.from_iterable(shares)) == list(range(len(lengths)))
        assert len(lengths) < 3 or all(shares)


@pytest.mark.parametrize("max_tokens", [None, 800])
def test_order_is_a_function_of_seed_and_epoch(max_tokens):
    def order(seed, epoch):
        buckets = LengthGroupedBatchSampler(LENGTHS, 16, max_tokens, seed=seed)
        buckets.set_epoch(epoch)
        return list(buckets)

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4)
    assert order(0, 3) != order(1, 3)
    assert {frozenset(batch) for batch in order(0, 3)} != {frozenset(batch) for batch in order(0, 4)}


@pytest.mark.parametrize("max_tokens", [None, 800])
def test_pads_little(max_tokens):
    def padded(batches):
        return sum(len(batch) * max(LENGTHS[post] for post in batch) for batch in batches)

    random_order = np.random.default_rng(0).permutation(500).tolist()
    random_batches = [random_order[start : start + 16] for start in range(0, 500, 16)]
    assert (
        padded(LengthGroupedBatchSampler(LENGTHS, 16, max_tokens)) < 1.1 * sum(LENGTHS) < padded(random_batches) / 1.5
    )


def test_posts_mix_over_pools():
    buckets = LengthGroupedBatchSampler([5] * 4000, 16)
    first = [post for batch in list(buckets)[:100] for post in batch]
    assert np.mean(first) == pytest.approx(2000, abs=150)


def test_evaluation_begins_with_the_longest():
    batches = list(LengthGroupedBatchSampler([3, 9, 1, 9, 7], 2, shuffle=False))
    assert batches == [[1, 3], [4, 0], [2]]


def test_skips_what_an_interrupted_epoch_has_seen():
    buckets = LengthGroupedBatchSampler(LENGTHS, 16)
    buckets.set_epoch(2)
    whole = list(buckets)
    buckets.skip(2, 5)
    assert list(buckets) == whole[5:]
    assert len(buckets) == len(whole)
    buckets.set_epoch(3)
    assert len(list(buckets)) == len(whole)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("shuffle", [True, False])
def test_no_posts(replicas, shuffle):
    buckets = LengthGroupedBatchSampler([], 4, shuffle=shuffle, num_replicas=replicas)
    assert (list(buckets), len(buckets)) == ([], 0)


def test_a_post_over_the_budget_stands_alone():
    batches = list(LengthGroupedBatchSampler([2, 50, 2, 2], 4, max_tokens=8, shuffle=False))
    assert batches == [[1], [0, 2, 3]]

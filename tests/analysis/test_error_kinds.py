"""Kinds of mistakes, against cases by hand and what must hold of any pairing."""

import numpy as np
import pytest

from mner.analysis.error_kinds import ErrorKinds, count_kinds, error_kinds
from mner.posts import Entity, Post
from mner.predictions import Prediction


@pytest.mark.parametrize(
    ("gold", "found", "expected"),
    [
        ([("PER", 0, 2)], [("PER", 0, 2)], ErrorKinds(correct=1)),
        ([("PER", 0, 2)], [("ORG", 0, 2)], ErrorKinds(wrong_type=1)),
        ([("PER", 0, 2)], [("PER", 1, 3)], ErrorKinds(wrong_boundary=1)),
        ([("PER", 0, 2)], [("ORG", 1, 3)], ErrorKinds(wrong_both=1)),
        ([("PER", 0, 2)], [("PER", 2, 3)], ErrorKinds(missed=1, spurious=1)),
        # One entity cut in two: the first half is the wrong boundary, the second is one too many.
        ([("PER", 0, 2)], [("PER", 0, 1), ("PER", 1, 2)], ErrorKinds(wrong_boundary=1, spurious=1)),
        # Two in one: the same the other way round.
        ([("PER", 0, 1), ("PER", 1, 2)], [("PER", 0, 2)], ErrorKinds(wrong_boundary=1, missed=1)),
        # The better pair goes first, though it stands on the right.
        ([("ORG", 0, 1), ("PER", 1, 2)], [("PER", 0, 2)], ErrorKinds(wrong_boundary=1, missed=1)),
    ],
)
def test_by_hand(gold, found, expected):
    assert count_kinds(gold, found) == expected


def random_spans(random):
    cuts = np.sort(random.choice(np.arange(9), random.integers(0, 4) * 2, replace=False))
    return [(str(random.choice(["PER", "ORG"])), int(a), int(b)) for a, b in cuts.reshape(-1, 2)]


def test_each_entity_is_in_one_kind_and_no_pair_is_left():
    random = np.random.default_rng(0)
    for _ in range(500):
        gold, found = random_spans(random), random_spans(random)
        kinds = count_kinds(gold, found)
        assert (kinds.gold, kinds.predicted) == (len(gold), len(found))
        assert kinds.correct == len({*gold} & {*found})
        same_borders = {span[1:] for span in gold} & {span[1:] for span in found}
        assert kinds.correct + kinds.wrong_type == len(same_borders)
        assert count_kinds(gold[::-1], found[::-1]).gold == len(gold)
        overlapping = [one for one in gold if any(one[1] < other[2] and other[1] < one[2] for other in found)]
        assert kinds.missed >= len(gold) - len(overlapping)
        # An unpaired gold entity overlaps only what is paired: no pair can be added to those made.
        assert not overlapping or kinds.missed < len(gold)


def test_posts_add_up():
    post = Post("1", ("a", "b"), ("B-PER", "O"))
    right, wrong = Prediction(post, (Entity("PER", 0, 1),)), Prediction(post, (Entity("PER", 1, 2),))
    assert error_kinds([right, wrong, right]) == ErrorKinds(correct=2, missed=1, spurious=1)

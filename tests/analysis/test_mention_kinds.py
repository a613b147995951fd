"""Scores a kind of mention, against counts by hand."""

import pytest

from mner.analysis.mention_kinds import score_kinds
from mner.posts import Entity, Post
from mner.predictions import Prediction

WORDS = ("Jordan", "is", "in", "New", "York", "with", "Ann")
TAGS = ("B-PER", "O", "O", "B-LOC", "I-LOC", "O", "B-PER")
MENTIONS = [
    {"start": 0, "end": 1, "type": "PER", "kind": "ambiguous"},
    {"start": 3, "end": 5, "type": "LOC", "kind": "plain"},
    {"start": 6, "end": 7, "type": "PER", "kind": "plain"},
]


def predicted(*entities):
    return Prediction(Post("1", WORDS, TAGS, metadata={"mentions": MENTIONS}), tuple(entities))


def test_each_kind_is_scored_by_itself():
    wrong_type = Entity("LOC", 0, 1)
    too_short = Entity("LOC", 4, 5)
    elsewhere = Entity("ORG", 1, 2)
    scores = score_kinds(
        [predicted(wrong_type, too_short, elsewhere, Entity("PER", 6, 7)), predicted(Entity("PER", 0, 1))]
    )
    assert list(scores) == ["ambiguous", "plain"]
    ambiguous, plain = scores.values()
    # ambiguous: 2 mentions, 2 found, 1 right; plain: 4 mentions, 2 found, 1 right
    assert (ambiguous.precision, ambiguous.recall, ambiguous.f1, ambiguous.support) == (0.5, 0.5, 0.5, 2)
    assert (plain.precision, plain.recall, plain.support) == (0.5, 0.25, 4)
    assert plain.f1 == pytest.approx(1 / 3)


def test_an_entity_over_two_kinds_counts_for_both():
    ambiguous, plain = score_kinds([predicted(Entity("PER", 0, 7))]).values()
    assert (ambiguous.precision, plain.precision) == (0, 0)
    assert ambiguous.f1 == plain.f1 == 0


def test_without_kinds_there_is_nothing_to_score():
    assert score_kinds([Prediction(Post("1", WORDS, TAGS), ())]) == {}


@pytest.mark.parametrize(
    "mentions", [["ana"], "mankind", 3, None, {"kind": "x"}, [{"kind": "x"}, {"start": 0, "end": 1}]]
)
def test_mentions_of_another_form_have_no_kinds(mentions):
    post = Post("1", WORDS, TAGS, metadata={"mentions": mentions})
    assert score_kinds([Prediction(post, (Entity("PER", 0, 1),))]) == {}

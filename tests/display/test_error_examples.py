"""Examples of errors: the most confident of each kind, each post once."""

from mner.display.examples import error_examples
from mner.posts import Entity, Post
from mner.predictions import Prediction


def predict(name, *entities):
    """A post with Ann Lee (PER) and Oslo (LOC), and what is predicted in it."""
    post = Post(name, ("Ann", "Lee", "in", "Oslo", "today"), ("B-PER", "I-PER", "O", "B-LOC", "O"))
    return Prediction(post, tuple(Entity(*span, confidence=confidence) for *span, confidence in entities))


ANN, OSLO = ("PER", 0, 2, 0.9), ("LOC", 3, 4, 0.9)
PREDICTIONS = [
    predict("correct", ANN, OSLO),
    predict("missed", ANN),
    predict("doubtful type", ANN, ("ORG", 3, 4, 0.4)),
    predict("certain type", ANN, ("ORG", 3, 4, 0.8)),
    predict("certain type and spurious", ANN, ("ORG", 3, 4, 0.7), ("PER", 4, 5, 0.9)),
    predict("spurious", ANN, OSLO, ("PER", 4, 5, 0.2)),
    predict("both wrong", ("LOC", 0, 1, 0.3), OSLO),
]


def test_the_most_confident_errors_of_each_kind_come_first():
    chosen = [each.post.id for each in error_examples(PREDICTIONS, per_kind=2)]
    assert chosen == ["certain type", "certain type and spurious", "both wrong", "missed", "spurious"]
    assert [each.post.id for each in error_examples(PREDICTIONS, per_kind=1)] == [
        "certain type",
        "both wrong",
        "missed",
        "certain type and spurious",
    ]


def test_without_errors_there_are_no_examples():
    assert error_examples(PREDICTIONS[:1]) == []

"""Kinds of errors: missed and spurious entities, wrong types, wrong boundaries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mner.predictions import Prediction, Span, gold_spans


@dataclass(frozen=True, slots=True)
class ErrorKinds:
    """Counts of paired and unpaired gold and predicted entities; each entity is counted once.

    Args:
        correct: Same type and boundaries.
        wrong_type: Same boundaries, another type.
        wrong_boundary: Overlapping, of the same type.
        wrong_both: Overlapping, of another type.
        missed: Gold, without an unpaired predicted entity that overlaps.
        spurious: Predicted, without an unpaired gold entity that overlaps.
    """

    correct: int = 0
    wrong_type: int = 0
    wrong_boundary: int = 0
    wrong_both: int = 0
    missed: int = 0
    spurious: int = 0

    @property
    def gold(self) -> int:
        """Number of gold entities."""
        return self.correct + self.wrong_type + self.wrong_boundary + self.wrong_both + self.missed

    @property
    def predicted(self) -> int:
        """Number of predicted entities."""
        return self.correct + self.wrong_type + self.wrong_boundary + self.wrong_both + self.spurious

    def __add__(self, other: ErrorKinds) -> ErrorKinds:
        """Add the counts of two posts or sets of posts."""
        return ErrorKinds(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def error_kinds(predictions: Iterable[Prediction]) -> ErrorKinds:
    """Count the kinds of errors.

    Pairs are formed best first: equal entities, then equal boundaries, then overlaps of one type, then other overlaps,
    each from left to right.

    Args:
        predictions: Predictions of annotated posts.

    Raises:
        DataError: If a post is not annotated.
    """
    total = ErrorKinds()
    for prediction in predictions:
        target, preds = gold_spans(prediction.post), [entity.span for entity in prediction.entities]
        total += pair_spans(sorted(target, key=_place), preds)
    return total


def pair_spans(target: Sequence[Span], preds: Sequence[Span]) -> ErrorKinds:
    """Pair the entities of one post.

    Example:
        >>> pair_spans([("PER", 0, 2), ("LOC", 4, 5)], [("PER", 1, 2), ("ORG", 4, 5), ("PER", 7, 8)])
        ErrorKinds(correct=0, wrong_type=1, wrong_boundary=1, wrong_both=0, missed=0, spurious=1)
    """
    left, open_ = list(target), sorted(preds, key=_place)
    counts = {}
    for name, fits in _PAIRS.items():
        counts[name] = 0
        for true in list(left):
            match = next((span for span in open_ if fits(true, span)), None)
            if match is not None:
                left.remove(true)
                open_.remove(match)
                counts[name] += 1
    return ErrorKinds(**counts, missed=len(left), spurious=len(open_))


def _place(span: Span) -> tuple[int, int, str]:
    return span[1], span[2], span[0]


def _overlap(one: Span, other: Span) -> bool:
    return one[1] < other[2] and other[1] < one[2]


_PAIRS = {
    "correct": lambda one, other: one == other,
    "wrong_type": lambda one, other: one[1:] == other[1:],
    "wrong_boundary": lambda one, other: one[0] == other[0] and _overlap(one, other),
    "wrong_both": _overlap,
}

"""Kinds of errors: missed and spurious entities, wrong types, wrong boundaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mner.predictions import Prediction, Span, gold_spans

KIND_NAMES = {
    "correct": "correct",
    "wrong_type": "wrong type",
    "wrong_boundary": "wrong boundary",
    "wrong_both": "both wrong",
    "missed": "missed",
    "spurious": "spurious",
}
"""What each kind is called in reports, by its name in :class:`ErrorKinds`."""


Pair = tuple[str, Span | None, Span | None]


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
        total += count_kinds([*target], preds)
    return total


def count_kinds(target: Sequence[Span], preds: Sequence[Span]) -> ErrorKinds:
    """Count the kinds of errors of one post.

    Example:
        >>> count_kinds([("PER", 0, 2), ("LOC", 4, 5)], [("PER", 1, 2), ("ORG", 4, 5), ("PER", 7, 8)])
        ErrorKinds(correct=0, wrong_type=1, wrong_boundary=1, wrong_both=0, missed=0, spurious=1)
    """
    return ErrorKinds(**Counter(kind for kind, _, _ in pair_spans(target, preds)))


def pair_spans(target: Sequence[Span], preds: Sequence[Span]) -> list[Pair]:
    """Pair the gold and predicted entities of one post.

    Returns:
        A kind of :class:`ErrorKinds`, the gold and the predicted entity of each pair, in the order of the text;
        ``None`` instead of the gold entity of a spurious one, and of the predicted entity of a missed one.

    Example:
        >>> pair_spans([("PER", 0, 2), ("LOC", 4, 5)], [("PER", 1, 2)])
        [('wrong_boundary', ('PER', 0, 2), ('PER', 1, 2)), ('missed', ('LOC', 4, 5), None)]
    """
    left, open_ = sorted(target, key=_place), sorted(preds, key=_place)
    pairs: list[Pair] = []
    for name, fits in _PAIRS.items():
        for true in list(left):
            match = next((span for span in open_ if fits(true, span)), None)
            if match is not None:
                left.remove(true)
                open_.remove(match)
                pairs.append((name, true, match))
    pairs += [("missed", true, None) for true in left] + [("spurious", None, span) for span in open_]
    return sorted(pairs, key=lambda pair: _place(pair[1] or pair[2] or ("", 0, 0)))


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

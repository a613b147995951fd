"""What kinds of mistakes are made: entities missed and invented, of the wrong type, with wrong borders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mner.analysis.counts import Span, gold_spans
from mner.predictions import Prediction


@dataclass(frozen=True, slots=True)
class ErrorKinds:
    """How the entities wanted and the entities found pair up; each is in one kind alone.

    Args:
        right: Type and borders right.
        wrong_type: Borders right, another type.
        wrong_boundary: Overlapping, the type right.
        wrong_both: Overlapping, another type.
        missed: Wanted, and no found entity left that overlaps.
        spurious: Found, and no wanted entity left that overlaps.
    """

    right: int = 0
    wrong_type: int = 0
    wrong_boundary: int = 0
    wrong_both: int = 0
    missed: int = 0
    spurious: int = 0

    @property
    def gold(self) -> int:
        """Entities wanted."""
        return self.right + self.wrong_type + self.wrong_boundary + self.wrong_both + self.missed

    @property
    def predicted(self) -> int:
        """Entities found."""
        return self.right + self.wrong_type + self.wrong_boundary + self.wrong_both + self.spurious

    def __add__(self, other: ErrorKinds) -> ErrorKinds:
        """Add up two posts or sets of posts."""
        return ErrorKinds(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def error_kinds(predictions: Iterable[Prediction]) -> ErrorKinds:
    """Count the kinds of mistakes.

    Pairs are made best first: entities that are equal, then equal borders, then overlaps of one type, then other
    overlaps, each from the left.

    Args:
        predictions: Predictions of annotated posts.

    Raises:
        DataError: If a post is not annotated.
    """
    total = ErrorKinds()
    for prediction in predictions:
        total += pair_spans(sorted(gold_spans(prediction), key=_place), [each.span for each in prediction.entities])
    return total


def pair_spans(gold: Sequence[Span], found: Sequence[Span]) -> ErrorKinds:
    """Pair the entities of one post.

    Example:
        >>> pair_spans([("PER", 0, 2), ("LOC", 4, 5)], [("PER", 1, 2), ("ORG", 4, 5), ("PER", 7, 8)])
        ErrorKinds(right=0, wrong_type=1, wrong_boundary=1, wrong_both=0, missed=0, spurious=1)
    """
    left, open_ = list(gold), sorted(found, key=_place)
    counts = {}
    for name, fits in _PAIRS.items():
        counts[name] = 0
        for true in list(left):
            match = next((said for said in open_ if fits(true, said)), None)
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
    "right": lambda one, other: one == other,
    "wrong_type": lambda one, other: one[1:] == other[1:],
    "wrong_boundary": lambda one, other: one[0] == other[0] and _overlap(one, other),
    "wrong_both": _overlap,
}

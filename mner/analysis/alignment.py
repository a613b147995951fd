"""Checks that predictions to be compared are of the same posts; a comparison is meaningless otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from mner.errors import AlignmentError
from mner.predictions import Prediction


def check_aligned(predictions: Mapping[str, Sequence[Prediction]]) -> None:
    """Reject predictions of other posts, in another order, with other words, gold tags or gold boxes.

    Args:
        predictions: Predictions by their name in the message; the others must match the first.

    Raises:
        AlignmentError: Names the first difference.
    """
    (first, reference), *others = predictions.items()
    for name, each in others:
        for place, (expected, got) in enumerate(zip_longest(reference, each)):
            difference = _difference(expected, got)
            if difference:
                order = ", the same posts in another order" if _same_posts(reference, each) else ""
                raise AlignmentError(
                    f"{name} does not match {first}{order}: at post {place + 1}, {difference}; "
                    "compare predictions of one split of one version of the data set, as mner test writes them"
                )


def _difference(expected: Prediction | None, got: Prediction | None) -> str | None:
    if expected is None or got is None:
        there, missing = (
            (got, "expected no further post, got") if expected is None else (expected, "got no post, expected")
        )
        return f"{missing} {there.post.id!r}" if there else None
    one, other = expected.post, got.post
    if one.id != other.id:
        return f"expected the id {one.id!r}, got {other.id!r}"
    if one.words != other.words:
        return f"{one.id!r}, expected {_first(one.words, other.words)}"
    if one.tags != other.tags:
        if one.tags is None or other.tags is None:
            return f"{one.id!r} has gold tags in only one of the two"
        return f"{one.id!r}, expected the gold tag of {_first(one.tags, other.tags)}"
    if one.boxes != other.boxes:
        in_one = " in only one of the two" if one.boxes is None or other.boxes is None else " that differ"
        return f"{one.id!r} has gold boxes{in_one}"
    return None


def _first(expected: Sequence[str], got: Sequence[str]) -> str:
    pairs = enumerate(zip_longest(expected, got), start=1)
    number, (one, other) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
    return f"word {number} to be {one!r}, got {other!r}"


def _same_posts(one: Sequence[Prediction], other: Sequence[Prediction]) -> bool:
    return sorted(each.post.id for each in one) == sorted(each.post.id for each in other) and [
        each.post.id for each in one
    ] != [each.post.id for each in other]

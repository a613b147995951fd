"""Confusion of types: the predicted type of every gold entity, by its boundaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mner.predictions import Prediction, gold_spans

ABSENT = "no match"
"""Stands for the predicted type of a gold entity whose boundaries no predicted entity has."""


def confusion(predictions: Iterable[Prediction]) -> Counter[tuple[str, str]]:
    """Count pairs of gold and predicted type over entities of the same boundaries.

    Args:
        predictions: Predictions of annotated posts.

    Returns:
        Number of gold entities by gold and predicted type; the latter is :data:`ABSENT` where no predicted entity has
        its boundaries.

    Raises:
        DataError: If a post is not annotated.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for prediction in predictions:
        found = {(entity.start, entity.end): entity.type for entity in prediction.entities}
        counts.update((kind, found.get((start, end), ABSENT)) for kind, start, end in gold_spans(prediction.post))
    return counts

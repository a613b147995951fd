"""Examples of errors: for each kind, the posts whose wrong entities were predicted with the most confidence."""

from __future__ import annotations

from collections.abc import Iterable

from mner.analysis.error_kinds import KIND_NAMES
from mner.display.marked_post import mark_prediction
from mner.predictions import Prediction


def error_examples(predictions: Iterable[Prediction], per_kind: int = 3) -> list[Prediction]:
    """Choose posts that show what goes wrong.

    Args:
        predictions: Predictions of annotated posts.
        per_kind: Maximum number of posts per kind of error.

    Returns:
        For one kind of error after the other, the posts with its most confident entities, without those that are there
        already; posts of equal confidence, as of missed entities, are in their order.
    """
    ranked: dict[str, list[tuple[float, int]]] = {kind: [] for kind in KIND_NAMES}
    given = list(predictions)
    for place, each in enumerate(given):
        for difference in mark_prediction(each).differences:
            confidence = difference.predicted.confidence if difference.predicted else None
            ranked[difference.kind].append((-(confidence or 0.0), place))
    chosen: dict[int, None] = {}
    for errors in ranked.values():
        fresh = dict.fromkeys(place for _, place in sorted(errors) if place not in chosen)
        chosen.update(dict.fromkeys(list(fresh)[:per_kind]))
    return [given[place] for place in chosen]

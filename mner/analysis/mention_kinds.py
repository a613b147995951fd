"""Scores per kind of mention, where a data set records kinds: those that only the image disambiguates, and others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from mner.analysis.counts import Score
from mner.labels import spans
from mner.predictions import Prediction


def score_kinds(predictions: Iterable[Prediction]) -> dict[str, Score]:
    """Score each kind of mention separately.

    Kinds come from ``metadata["mentions"]``, a list of ``{"start", "end", "kind"}``, as :class:`mner.demo.DemoPosts`
    records them; mentions of another form, such as the users that a tweet names, have none. A predicted entity counts
    for the kind of each mention that it overlaps, and for none if it overlaps none; those only affect the overall
    score.

    Args:
        predictions: Predictions of annotated posts.

    Returns:
        One score per kind, such as ``ambiguous`` or ``plain``, in alphabetical order; none if no kinds are recorded.
    """
    correct: Counter[str] = Counter()
    predicted: Counter[str] = Counter()
    gold: Counter[str] = Counter()
    for prediction in predictions:
        kind_of = _kinds(prediction.post.metadata.get("mentions"))
        true = {entity.span for entity in spans(prediction.post.tags or ())}
        gold.update(kind_of.values())
        for entity in prediction.entities:
            kinds = {kind for (start, end), kind in kind_of.items() if entity.start < end and start < entity.end}
            predicted.update(kinds)
            if entity.span in true and (entity.start, entity.end) in kind_of:
                correct[kind_of[entity.start, entity.end]] += 1
    return {kind: Score.of(correct[kind], predicted[kind], gold[kind]) for kind in sorted(gold)}


def _kinds(mentions: Any) -> dict[tuple[int, int], str]:
    """The kinds of mentions by their first word and the one past the last."""
    found = [each for each in mentions if isinstance(each, Mapping)] if isinstance(mentions, (list, tuple)) else []
    places = [((each.get("start"), each.get("end")), each.get("kind")) for each in found]
    return {
        (start, end): kind
        for (start, end), kind in places
        if type(start) is int and type(end) is int and isinstance(kind, str)
    }

"""Scores per kind of mention, where a data set records kinds: those that only the image disambiguates, and others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mner.labels import spans
from mner.predictions import Prediction


@dataclass(frozen=True, slots=True)
class KindScore:
    """Scores on the mentions of one kind.

    Args:
        kind: For example ``ambiguous`` or ``plain``.
        precision: Fraction of the predicted entities on such mentions that are correct; 0 if there are none.
        recall: Fraction of such mentions that are predicted.
        f1: Their harmonic mean.
        support: Number of mentions of the kind.
    """

    kind: str
    precision: float
    recall: float
    f1: float
    support: int


def score_kinds(predictions: Iterable[Prediction]) -> list[KindScore]:
    """Score each kind of mention separately.

    Kinds come from ``metadata["mentions"]``, a list of ``{"start", "end", "kind"}``, as :class:`mner.demo.DemoPosts`
    records them; mentions of another form, such as the users that a tweet names, have none. A predicted entity counts
    for the kind of each mention that it overlaps, and for none if it overlaps none; those only affect the overall
    score.

    Args:
        predictions: Predictions of annotated posts.

    Returns:
        One score per kind, in alphabetical order; empty if no kinds are recorded.
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
    return [_score(kind, correct[kind], predicted[kind], gold[kind]) for kind in sorted(gold)]


def _kinds(mentions: Any) -> dict[tuple[int, int], str]:
    """The kinds of mentions by their first word and the one past the last."""
    found = [each for each in mentions if isinstance(each, Mapping)] if isinstance(mentions, (list, tuple)) else []
    places = [((each.get("start"), each.get("end")), each.get("kind")) for each in found]
    return {
        (start, end): kind
        for (start, end), kind in places
        if type(start) is int and type(end) is int and isinstance(kind, str)
    }


def _score(kind: str, correct: int, predicted: int, gold: int) -> KindScore:
    precision, recall = correct / predicted if predicted else 0.0, correct / gold
    return KindScore(kind, precision, recall, 2 * correct / (predicted + gold), gold)

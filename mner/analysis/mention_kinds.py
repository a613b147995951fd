"""Scores a kind of mention, where a data set records kinds: does the image help where only it can tell?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mner.labels import spans
from mner.predictions import Prediction


@dataclass(frozen=True, slots=True)
class KindScore:
    """Scores on the mentions of one kind.

    Args:
        kind: For example ``ambiguous`` or ``plain``.
        precision: Share of the entities found on such mentions that are right, 0 where none is found.
        recall: Share of such mentions that are found.
        f1: Their harmonic mean.
        support: Mentions of the kind.
    """

    kind: str
    precision: float
    recall: float
    f1: float
    support: int


def score_kinds(predictions: Iterable[Prediction]) -> list[KindScore]:
    """Score each kind of mention by itself.

    Kinds come from ``metadata["mentions"]``, a list of ``{"start", "end", "kind"}``, as :class:`mner.demo.DemoPosts`
    records them. An entity found counts for the kind of each mention that it overlaps, and for none if it overlaps
    none; what is found where nothing is mentioned shows in the overall score alone.

    Args:
        predictions: Predictions of annotated posts.

    Returns:
        One score a kind, in alphabetical order; empty where no kinds are recorded.
    """
    right: Counter[str] = Counter()
    found: Counter[str] = Counter()
    gold: Counter[str] = Counter()
    for prediction in predictions:
        mentions = prediction.post.metadata.get("mentions", ())
        kind_of = {(mention["start"], mention["end"]): mention["kind"] for mention in mentions if "kind" in mention}
        true = {entity.span for entity in spans(prediction.post.tags or ())}
        gold.update(kind_of.values())
        for entity in prediction.entities:
            kinds = {kind for (start, end), kind in kind_of.items() if entity.start < end and start < entity.end}
            found.update(kinds)
            if entity.span in true and (entity.start, entity.end) in kind_of:
                right[kind_of[entity.start, entity.end]] += 1
    return [_score(kind, right[kind], found[kind], gold[kind]) for kind in sorted(gold)]


def _score(kind: str, right: int, found: int, gold: int) -> KindScore:
    precision, recall = right / found if found else 0.0, right / gold
    return KindScore(kind, precision, recall, 2 * right / (found + gold), gold)

"""Per-post counts of predicted, correct and gold entities: the sufficient statistics of every score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mner.errors import DataError
from mner.predictions import Prediction, gold_spans

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """Entities of N posts and T types.

    A predicted entity is correct if a gold entity has its type and both its boundaries. Gold and predicted entities are
    decoded from tags by ``conlleval``, so that F1 is that of ``metrics.json``. The strict convention depends
    on predicted tags, which a predictions file does not contain: strict scores are in ``metrics.json`` only.

    Args:
        types: The entity types.
        correct: Correct entities, shape ``(N, T)``.
        predicted: Predicted entities, shape ``(N, T)``.
        gold: Gold entities, shape ``(N, T)``.
    """

    types: tuple[str, ...]
    correct: Integers
    predicted: Integers
    gold: Integers

    def of_posts(self) -> Integers:
        """Correct, predicted and gold entities per post, over all types, shape ``(N, 3)``."""
        return np.stack([part.sum(axis=1) for part in (self.correct, self.predicted, self.gold)], axis=1)

    def score(self) -> Score:
        """The score over all types."""
        return Score.of(*(int(part.sum()) for part in (self.correct, self.predicted, self.gold)))

    def scores_by_type(self) -> dict[str, Score]:
        """The score of each type."""
        totals = (part.sum(axis=0).tolist() for part in (self.correct, self.predicted, self.gold))
        return {name: Score.of(*counts) for name, *counts in zip(self.types, *totals, strict=True)}


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1, between 0 and 1; a ratio with a zero denominator is 0.

    Args:
        precision: Fraction of the predicted entities that are correct.
        recall: Fraction of the gold entities that are predicted.
        f1: Their harmonic mean.
        predicted: Number of predicted entities.
        support: Number of gold entities.
    """

    precision: float
    recall: float
    f1: float
    predicted: int
    support: int

    @classmethod
    def of(cls, correct: int, predicted: int, gold: int) -> Score:
        """Compute the score of three counts.

        Example:
            >>> Score.of(correct=1, predicted=2, gold=4).recall
            0.25
        """
        both = predicted + gold
        return cls(
            correct / predicted if predicted else 0.0,
            correct / gold if gold else 0.0,
            2 * correct / both if both else 0.0,
            predicted,
            gold,
        )


def count_entities(predictions: Sequence[Prediction], types: Sequence[str] | None = None) -> Counts:
    """Count the entities of annotated posts.

    Args:
        predictions: Predictions of N posts.
        types: Entity types, in the order of the columns; by default all that occur, in alphabetical order.

    Raises:
        DataError: If a post is not annotated, or has a type outside ``types``.
    """
    target = [gold_spans(prediction.post) for prediction in predictions]
    preds = [[entity.span for entity in prediction.entities] for prediction in predictions]
    if types is None:
        types = sorted({type_ for part in (target, preds) for each in part for type_, _, _ in each})
    place = {type_: index for index, type_ in enumerate(types)}
    correct, predicted, gold = (np.zeros((len(predictions), len(types)), dtype=np.int64) for _ in range(3))
    try:
        for row, (true, spans) in enumerate(zip(target, preds, strict=True)):
            for span in true:
                gold[row, place[span[0]]] += 1
            for span in spans:
                predicted[row, place[span[0]]] += 1
                correct[row, place[span[0]]] += span in true
    except KeyError as error:
        raise DataError(
            f"post {predictions[row].post.id!r} has the type {error}, which is not one of {list(types)}"
        ) from None
    return Counts(tuple(types), correct, predicted, gold)

"""Entities found, right and wanted, counted a post: what every score and every test is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mner.errors import DataError
from mner.labels import spans
from mner.predictions import Prediction

Integers = NDArray[np.int64]
Span = tuple[str, int, int]


@dataclass(frozen=True)
class Counts:
    """Entities of N posts and T types.

    An entity is right if its type and both its borders are. Gold entities are read off the tags by ``conlleval``, as
    the decoder reads its own, so that F1 is that of ``metrics.json``. The strict convention depends on tags, which a
    predictions file does not keep for what was found: strict scores stand in ``metrics.json`` alone.

    Args:
        types: The entity types.
        matched: Entities that are right, shape ``(N, T)``.
        predicted: Entities found, shape ``(N, T)``.
        gold: Entities wanted, shape ``(N, T)``.
    """

    types: tuple[str, ...]
    matched: Integers
    predicted: Integers
    gold: Integers

    def of_posts(self) -> Integers:
        """Right, found and wanted a post, all types together, shape ``(N, 3)``."""
        return np.stack([part.sum(axis=1) for part in (self.matched, self.predicted, self.gold)], axis=1)

    def score(self) -> Score:
        """The score over all types."""
        return Score.of(*(int(part.sum()) for part in (self.matched, self.predicted, self.gold)))

    def scores_by_type(self) -> dict[str, Score]:
        """The score of each type."""
        totals = (part.sum(axis=0).tolist() for part in (self.matched, self.predicted, self.gold))
        return {name: Score.of(*counts) for name, *counts in zip(self.types, *totals, strict=True)}


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1, between 0 and 1; a ratio over nothing is 0.

    Args:
        precision: Share of the entities found that are right.
        recall: Share of the entities wanted that are found.
        f1: Their harmonic mean.
        predicted: Entities found.
        support: Entities wanted.
    """

    precision: float
    recall: float
    f1: float
    predicted: int
    support: int

    @classmethod
    def of(cls, matched: int, predicted: int, gold: int) -> Score:
        """The score of three counts.

        Example:
            >>> Score.of(matched=1, predicted=2, gold=4).recall
            0.25
        """
        both = predicted + gold
        return cls(
            matched / predicted if predicted else 0.0,
            matched / gold if gold else 0.0,
            2 * matched / both if both else 0.0,
            predicted,
            gold,
        )


def count_entities(predictions: Sequence[Prediction], types: Sequence[str] | None = None) -> Counts:
    """Count the entities of annotated posts.

    Args:
        predictions: Predictions of N posts.
        types: Entity types, in the order wanted; by default all that occur, in alphabetical order.

    Raises:
        DataError: If a post is not annotated, or has a type outside ``types``.
    """
    gold = [gold_spans(prediction) for prediction in predictions]
    found = [[entity.span for entity in prediction.entities] for prediction in predictions]
    if types is None:
        types = sorted({type_ for part in (gold, found) for each in part for type_, _, _ in each})
    place = {type_: index for index, type_ in enumerate(types)}
    matched, predicted, wanted = (np.zeros((len(predictions), len(types)), dtype=np.int64) for _ in range(3))
    try:
        for row, (true, said) in enumerate(zip(gold, found, strict=True)):
            for span in true:
                wanted[row, place[span[0]]] += 1
            for span in said:
                predicted[row, place[span[0]]] += 1
                matched[row, place[span[0]]] += span in true
    except KeyError as error:
        raise DataError(
            f"post {predictions[row].post.id!r} has the type {error}, which is none of {list(types)}"
        ) from None
    return Counts(tuple(types), matched, predicted, wanted)


def gold_spans(prediction: Prediction) -> frozenset[Span]:
    """The entities wanted of a post.

    Raises:
        DataError: If the post is not annotated.
    """
    if prediction.post.tags is None:
        raise DataError(f"post {prediction.post.id!r} has no gold tags; scores need predictions of annotated posts")
    return _spans(prediction.post.tags)


@lru_cache(maxsize=1 << 16)  # the same posts come once a model and seed
def _spans(tags: tuple[str, ...]) -> frozenset[Span]:
    return frozenset(entity.span for entity in spans(tags))

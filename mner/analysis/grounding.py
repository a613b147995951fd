"""Grounded entities of saved predictions: the counts behind GMNER, MNER and EEG scores, and outcomes by type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from mner.analysis.counts import Counts
from mner.boxes import gold_entities
from mner.grounding_counts import GroundedCounts, agree_in_region, count_grounded
from mner.predictions import Prediction

MEASURES = ("gmner", "mner", "eeg")
Outcome = Literal["correct", "wrong_box", "wrong_entity"]
OUTCOMES: dict[Outcome, str] = {"correct": "correct", "wrong_box": "wrong box", "wrong_entity": "wrong entity"}
"""What each outcome is called in reports."""


def count_grounding(predictions: Sequence[Prediction]) -> Mapping[str, Counts]:
    """Count the grounded entities of annotated posts as :class:`mner.metrics.GroundedF1` does by default.

    Args:
        predictions: Predictions of N posts; posts without gold boxes count as having no entities.

    Returns:
        Counts of the N posts by measure, with one column; empty if no post has gold boxes, or no predicted entity has
        ``boxes``, as of a model without a region head.

    Raises:
        DataError: If predicted entities of posts with gold boxes have boxes in part.
    """
    grounded = [prediction for prediction in predictions if prediction.post.boxes is not None]
    if all(entity.boxes is None for prediction in grounded for entity in prediction.entities):
        return {}
    none = GroundedCounts(0, 0, 0, 0, 0)
    rows = [none if each.post.boxes is None else count_grounded(each.entities, each.post) for each in predictions]
    table = np.array(rows, dtype=np.int64)
    predicted, gold = table[:, 3:4], table[:, 4:]
    return {name: Counts((name,), table[:, [index]], predicted, gold) for index, name in enumerate(MEASURES)}


def count_outcomes(predictions: Sequence[Prediction]) -> Mapping[str, Mapping[Outcome, int]]:
    """Count the gold entities of each type by what was predicted for them.

    ``correct`` is an entity with its span, type and region; ``wrong_box`` one with its span and type only;
    ``wrong_entity`` one that is missed, or predicted with another span or type.

    Args:
        predictions: Predictions; posts without gold boxes are left out.

    Returns:
        The counts of each type, in alphabetical order.
    """
    counts: dict[str, Counter[Outcome]] = {}
    for each in predictions:
        found = {entity.span: entity for entity in each.entities}
        for gold in gold_entities(each.post) if each.post.boxes is not None else ():
            same = found.get(gold.span)
            outcome: Outcome = "wrong_entity" if same is None else "wrong_box"
            if same is not None and agree_in_region(same, gold):
                outcome = "correct"
            counts.setdefault(gold.type, Counter())[outcome] += 1
    return dict(sorted(counts.items()))

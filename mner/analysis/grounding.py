"""Grounded entities per post: the counts behind GMNER, MNER and EEG scores of saved predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mner.analysis.counts import Counts
from mner.grounding_counts import THRESHOLD, GroundedCounts, Matching, count_grounded
from mner.predictions import Prediction

MEASURES = ("gmner", "mner", "eeg")


def count_grounding(
    predictions: Sequence[Prediction], threshold: float = THRESHOLD, matching: Matching = "position"
) -> Mapping[str, Counts]:
    """Count the grounded entities of annotated posts, see :class:`mner.metrics.GroundedF1`.

    Args:
        predictions: Predictions of N posts; posts without gold boxes count as having no entities.
        threshold: Minimum intersection over union of a correct box.
        matching: Which spans agree.

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
    rows = [
        none if each.post.boxes is None else count_grounded(each.entities, each.post, threshold, matching)
        for each in predictions
    ]
    table = np.array(rows, dtype=np.int64)
    predicted, gold = table[:, 3:4], table[:, 4:]
    return {name: Counts((name,), table[:, [index]], predicted, gold) for index, name in enumerate(MEASURES)}

"""What the predictions of a prompted language model cost per post, from the scores that come with them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from mner.analysis.systems import Run

COSTS = ("seconds", "prompt_tokens", "answer_tokens", "unusable")
"""The scores of a prediction that ``mner prompt`` and ``mner review`` write."""


def costs(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Average the costs over the posts of all seeds.

    Args:
        runs: The seeds of a system.

    Returns:
        A row of means per post, ``unusable`` as a fraction of the posts; none if the predictions record no cost.
    """
    scores = [prediction.scores for run in runs for prediction in run.predictions]
    means = {
        name: statistics.fmean(each.get(name, 0.0) for each in scores)
        for name in COSTS
        if any(name in each for each in scores)
    }
    return [means] if "seconds" in means else []

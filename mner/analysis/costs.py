"""What the predictions of a system cost: time and tokens per post, and the time of the training."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mner.analysis.systems import Run
from mner.errors import DataError
from mner.post_json import from_json

COSTS = ("seconds", "prompt_tokens", "answer_tokens", "unusable")
"""The scores of a prediction that ``mner prompt`` and ``mner review`` write."""
TIMING_FILE = "timing.json"
"""What ``mner fit`` and ``mner test`` write next to their predictions: ``train_seconds`` and ``seconds_per_post``."""


def costs(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Average the costs over the posts of all seeds.

    Args:
        runs: The seeds of a system.

    Returns:
        A row of means per post, ``unusable`` as a fraction of the posts, and of ``train_seconds`` per training; none if
        nothing records the time.
    """
    scores = [prediction.scores for run in runs for prediction in run.predictions]
    means = {
        name: statistics.fmean(each.get(name, 0.0) for each in scores)
        for name in COSTS
        if any(name in each for each in scores)
    }
    timings = [_timing(run) for run in runs]
    for name, column in (("seconds_per_post", "seconds"), ("train_seconds", "train_seconds")):
        found = [timing[name] for timing in timings if name in timing]
        if found and column not in means:
            means[column] = statistics.fmean(found)
    return [means] if "seconds" in means else []


def _timing(run: Run) -> Mapping[str, float]:
    """Read the times next to the predictions of a run, as far as there are any."""
    path = run.result.predictions
    if path is None or path.name != "predictions.jsonl":
        return {}
    try:
        found = from_json((path.parent / TIMING_FILE).read_bytes())
    except (OSError, DataError):
        return {}
    known = found.items() if isinstance(found, Mapping) else ()
    return {name: float(value) for name, value in known if type(value) in (int, float) and value >= 0}

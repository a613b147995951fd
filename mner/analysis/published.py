"""What the paper reports, to stand beside what was measured (its Tables 2, 3 and 4)."""

from __future__ import annotations

import re
from typing import Any

# Precision, recall and F1 on the test splits; its Twitter-2017 is a split of its own.
_TABLE_2 = {
    "1.0": ((69.37, 73.73, 71.48), (83.62, 87.33, 85.44)),
    "1.1": ((70.40, 72.56, 71.46), (85.42, 87.41, 86.40)),
    "1.2": ((67.41, 72.37, 69.80), (84.97, 85.71, 85.34)),
    "1.3": ((69.53, 74.04, 71.71), (84.78, 86.66, 85.71)),
    "2.0": ((67.37, 71.58, 69.41), (82.54, 85.31, 83.90)),
    "2.1": ((68.84, 71.39, 70.09), (84.06, 85.39, 84.72)),
    "3.0": ((68.52, 74.61, 71.49), (86.16, 87.49, 86.82)),
    "3.1": ((66.99, 72.68, 69.71), (84.14, 85.71, 84.92)),
}
_TABLE_3 = {"1.0": {"valid": 50.30, "test": 50.57}, "3.0": {"valid": 51.61, "test": 51.18}}
# F1 on seen, unseen, multi-type and single-type entities of Twitter-2015, on seen and unseen of Twitter-2017.
_TABLE_4 = {
    "1.0": ((84.74, 65.36, 63.33, 86.03), (93.76, 76.49)),
    "1.1": ((87.21, 65.13, 66.67, 88.82), (94.72, 77.85)),
    "1.2": ((84.40, 63.10, 71.55, 85.37), (95.23, 75.30)),
    "1.3": ((85.27, 65.40, 65.04, 86.73), (94.63, 76.07)),
    "2.0": ((83.48, 62.52, 63.93, 84.93), (94.13, 73.61)),
    "2.1": ((84.42, 63.39, 61.91, 86.00), (94.35, 75.25)),
    "3.0": ((86.11, 64.35, 68.93, 87.81), (94.90, 79.42)),
    "3.1": ((83.36, 62.94, 62.40, 84.63), (94.58, 74.54)),
}


def published_scores(model: str, data: str) -> dict[str, float] | None:
    """Precision, recall and F1 in percent of a paper's experiment, told by the begin of the model's name.

    Example:
        >>> published_scores("1.0_bert_crf", "twitter2015")
        {'precision': 69.37, 'recall': 73.73, 'f1': 71.48}
    """
    scores = _of(_TABLE_2, model, data)
    return None if scores is None else dict(zip(("precision", "recall", "f1"), scores, strict=True))


def published_groups(model: str, data: str) -> dict[str, float]:
    """F1 in percent of seen, unseen, multi-type and single-type entities, as far as the paper tells them."""
    scores = _of(_TABLE_4, model, data) or ()
    return dict(zip(("seen", "unseen", "multi-type", "single-type"), scores, strict=False))


def published_snapchat(model: str, data: str, split: str) -> float | None:
    """F1 in percent on the Snapchat data."""
    return _TABLE_3.get(model[:3], {}).get(split) if "snap" in data.lower() else None


def _of(table: dict[str, Any], model: str, data: str) -> Any:
    year = re.search(r"201[57]", data)
    if year is None or model[:3] not in table:
        return None
    return table[model[:3]][year.group() == "2017"]

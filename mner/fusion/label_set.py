"""The labels of a model, checked."""

from __future__ import annotations

from collections.abc import Sequence

from mner.errors import ConfigurationError, LabelError

MAX_LABELS = 4096
"""A decoder's tables have as many entries as pairs of labels."""


def check_label_set(labels: Sequence[str]) -> list[str]:
    """Return the labels of a model as a list.

    Raises:
        ConfigurationError: If they are not distinct, lack ``O``, or are more than a decoder can have.
        LabelError: If there is no entity label.
    """
    if list(labels) == ["O"]:
        raise LabelError("no post has an entity: training needs posts with tags, see the formats page")
    if "O" not in labels or len(set(labels)) < len(labels):
        raise ConfigurationError(f"expected distinct labels with 'O' among them, got {labels}")
    if len(labels) > MAX_LABELS:
        raise ConfigurationError(f"expected at most {MAX_LABELS} labels, got {len(labels)}")
    return list(labels)

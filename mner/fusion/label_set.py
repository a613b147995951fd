"""The labels of a model, checked."""

from __future__ import annotations

from collections.abc import Sequence

from mner.errors import CheckpointError, ConfigurationError, LabelError
from mner.unicode import visible_name

MAX_LABELS = 4096
"""A decoder's tables have as many entries as pairs of labels."""


def check_label_set(labels: Sequence[str]) -> list[str]:
    """Return the labels of a model as a list.

    Raises:
        ConfigurationError: If they are not distinct, lack ``O``, or are more than a decoder can have.
        LabelError: If there is no entity label, or one is not in its visible form.
    """
    if len(labels) > MAX_LABELS:
        raise ConfigurationError(f"expected at most {MAX_LABELS} labels, got {len(labels)}")
    if list(labels) == ["O"]:
        raise LabelError("no post has an entity: training needs posts with tags, see the formats page")
    if "O" not in labels or len(set(labels)) < len(labels):
        raise ConfigurationError(f"expected distinct labels with 'O' among them, got {labels!r:.200}")
    for label in labels:
        if visible_name(label) != label:
            raise LabelError(
                f"expected the label {visible_name(label)!r:.80}, without invisible characters, got {label!r:.80}"
            )
    return list(labels)


def check_same_labels(trained: Sequence[str] | None, labels: Sequence[str]) -> None:
    """Reject a checkpoint of a model with other labels, or in another order.

    Args:
        trained: The labels in the checkpoint, ``None`` if it names none.
        labels: The labels of the model.

    Raises:
        CheckpointError: If they differ.
    """
    if trained is not None and trained != labels:
        raise CheckpointError(
            f"the checkpoint was trained with the labels {trained}, in this order, but the model has {labels}; "
            "load it with mner.load_model, which takes the labels from the checkpoint, or train a new model"
        )

"""Entity F1: precision and recall of entities with correct type and boundaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor
from torchmetrics import Metric

from mner.entity_bounds import continuation_table, entity_bounds
from mner.errors import ConfigurationError, ShapeError
from mner.labels import OUTSIDE, Convention, check_choice, closes, opens, scheme_of, split_tag, types_of
from mner.metrics.ratios import ratios


class EntityF1(Metric):
    """Precision, recall and F1 of entities, over all of them and by type; equal to seqeval's.

    Its states are counts, so that the result over several processes or batches is the result over all posts at once.
    As input to ``update`` the metric accepts

    * ``preds`` and ``target``: predicted and gold label indices, shape ``(B, W)``, anything where the mask is false;
    * ``mask``: true where a word is real, shape ``(B, W)``, the real words of a post first.

    ``compute`` returns scalars by name: ``f1``, ``precision``, ``recall`` (micro), ``support`` (gold entities),
    ``macro_f1`` (mean over the types that occur among gold or predicted entities), and for each type ``f1_PER``,
    ``precision_PER``, ``recall_PER``, ``support_PER``. A ratio with a zero denominator is 0.

    Args:
        labels: The labels, in the order of their indices.
        convention: What counts as an entity: ``conlleval``, as in published scores, or ``strict``.
        kwargs: Options of :class:`torchmetrics.Metric`.

    Raises:
        ConfigurationError: If the convention is unknown or there are no labels.
        LabelError: If a label is of no scheme that mner reads.

    Example:
        >>> metric = EntityF1(["O", "B-PER", "I-PER"])
        >>> target, preds = torch.tensor([[1, 2, 0, 1]]), torch.tensor([[1, 2, 0, 0]])
        >>> metric.update(preds, target, torch.ones(1, 4, dtype=torch.bool))
        >>> scores = metric.compute()
        >>> scores["precision"].item(), scores["recall_PER"].item()
        (1.0, 0.5)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    correct: Tensor
    predicted: Tensor
    gold: Tensor
    _type: Tensor
    _continues: Tensor
    _opens: Tensor
    _closes: Tensor

    def __init__(self, labels: Sequence[str], convention: Convention = "conlleval", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice("convention", convention, get_args(Convention))
        if not labels:
            raise ConfigurationError("expected at least one label, got none; read them from the training tags")
        self.types = types_of(labels)
        strict, scheme = convention == "strict", scheme_of(labels)
        # The type of O is one past the last: its counts land in a cell that compute() leaves out.
        outside = len(self.types)
        types = [outside if label == OUTSIDE else self.types.index(split_tag(label)[1]) for label in labels]
        tables = {
            "_type": torch.tensor(types),
            "_continues": continuation_table(labels),
            "_opens": torch.tensor([opens(label) or not strict for label in labels]),
            "_closes": torch.tensor([closes(label, scheme) or not strict for label in labels]),
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)
        for name in ("correct", "predicted", "gold"):
            self.add_state(name, torch.zeros(outside + 1, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor, mask: Tensor) -> None:
        """Count the entities of a batch.

        Args:
            preds: Predicted label indices, shape ``(B, W)``.
            target: Gold label indices, shape ``(B, W)``.
            mask: True where a word is real, shape ``(B, W)``.

        Raises:
            ShapeError: If the three shapes differ.
        """
        if not preds.shape == target.shape == mask.shape or mask.dim() != 2:
            raise ShapeError(
                "expected preds, target and mask of one shape (B, W), "
                f"got {tuple(preds.shape)}, {tuple(target.shape)} and {tuple(mask.shape)}; "
                "decode emissions before the update, and pass labels per word, not per subword"
            )
        (first, last, type_), (gold_first, gold_last, gold_type) = self._spans(preds, mask), self._spans(target, mask)
        both = first & gold_first & (last == gold_last) & (type_ == gold_type)
        # Not in place: a count that was reset in inference mode could not be updated in validation during training.
        self.predicted = self.predicted + self._count(first, type_)
        self.gold = self.gold + self._count(gold_first, gold_type)
        self.correct = self.correct + self._count(both, type_)

    def compute(self) -> dict[str, Tensor]:
        """Compute the scores from the counts, by name."""
        correct, predicted, gold = self.correct[:-1], self.predicted[:-1], self.gold[:-1]
        by_type = {**ratios(correct, predicted, gold), "support": gold}
        occurs = (predicted + gold > 0).sum()
        result = {**ratios(correct.sum(), predicted.sum(), gold.sum()), "support": gold.sum()}
        result["macro_f1"] = by_type["f1"].sum() / occurs.clamp_min(1)
        for index, type_ in enumerate(self.types):
            result |= {f"{name}_{type_}": values[index] for name, values in by_type.items()}
        return result

    def _spans(self, tags: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find the entities of label indices ``(B, W)``: where each begins, its last word, and its type."""
        words = mask.shape[1]
        tags = tags.masked_fill(~mask, 0)
        bounds = entity_bounds(tags.t(), mask.t(), self._type < len(self.types), self._continues)
        first, ends = (each.t() for each in bounds)
        # The last word of the entity at a word is the nearest end from there on.
        positions = torch.arange(words, device=mask.device).expand_as(tags).masked_fill(~ends, words - 1)
        last = positions.flip(1).cummin(1).values.flip(1) if words else positions
        return first & self._opens[tags] & self._closes[tags.gather(1, last)], last, self._type[tags]

    def _count(self, which: Tensor, types: Tensor) -> Tensor:
        """Count the true positions by type."""
        return torch.zeros_like(self.gold).scatter_add_(0, types.flatten(), which.flatten().long())

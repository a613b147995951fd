"""Entity F1 over character spans: scores on raw text as annotated, independent of the word tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from mner.metrics.ratios import ratios
from mner.posts import Entity, Post


class CharacterF1(Metric):
    """Micro precision, recall and F1 of entities by type and exact character span.

    Gold spans are those of the annotation, before alignment to word borders, so a span that the word tokenizer cannot
    express is a false negative. Exact over several processes.

    As input to ``update``: the predicted entities per post, with character offsets, and the posts; posts without gold
    character spans are left out. ``compute`` returns ``f1``, ``precision``, ``recall`` and ``support`` (gold spans).

    Args:
        kwargs: Options of :class:`torchmetrics.Metric`.

    Example:
        >>> post = Post("1", ("#", "ParisAttacks"), text="#ParisAttacks", spans=((1, 6, "LOC"),))
        >>> metric = CharacterF1()
        >>> metric.update([[Entity("LOC", 1, 2, characters=(1, 13))]], [post])
        >>> metric.update([[Entity("LOC", 1, 2, characters=(1, 6))]], [post])
        >>> float(metric.compute()["f1"])
        0.5
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    predicted: Tensor
    gold: Tensor
    correct: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("predicted", "gold", "correct"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Sequence[Sequence[Entity]], target: Sequence[Post]) -> None:
        """Count the entities of B posts.

        Args:
            preds: Predicted entities per post, with ``characters``.
            target: The posts, with gold ``spans`` where they are raw text.
        """
        predicted = gold = correct = 0
        for entities, post in zip(preds, target, strict=True):
            if post.spans is None:
                continue
            found = {(*entity.characters, entity.type) for entity in entities if entity.characters is not None}
            predicted += len(found)
            gold += len(set(post.spans))
            correct += len(found & set(post.spans))
        # Not in place: a count that was reset in inference mode could not be updated in validation during training.
        self.predicted = self.predicted + predicted
        self.gold = self.gold + gold
        self.correct = self.correct + correct

    def compute(self) -> dict[str, Tensor]:
        """Compute the scores from the counts, by name."""
        return {**ratios(self.correct, self.predicted, self.gold), "support": self.gold}

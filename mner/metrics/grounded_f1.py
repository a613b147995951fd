"""Grounded F1: entities with correct type, boundaries and region in the image (GMNER)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import torch
from torch import Tensor
from torchmetrics import Metric

from mner.boxes import gold_entities
from mner.errors import ConfigurationError
from mner.grounding_counts import THRESHOLD, Matching, count_grounded, covers
from mner.labels import check_choice
from mner.metrics.ratios import ratios
from mner.posts import Box, Entity, Post


class GroundedF1(Metric):
    """Micro precision, recall and F1 of grounded entities (Yu et al. 2023); exact over several processes.

    * **GMNER**: span, type and region are correct.
    * **MNER**: span and type are.
    * **EEG** (entity extraction and grounding): span and region are.

    A region is correct if neither the gold nor the predicted entity has a box, or the predicted box overlaps one of the
    gold boxes by at least ``threshold``. Published scores by position of the words, the default, are those of RiVEG and
    UnCo; E2E-GMNER matches surface forms.

    As input to ``update``: the predicted entities per post, each with one box or none; the posts; and, if the model
    chooses among candidate regions, their boxes per post. Posts without gold boxes (``boxes`` is ``None``) are left
    out. ``compute`` returns ``gmner_f1``, ``gmner_precision``, ``gmner_recall``, the same for ``mner`` and ``eeg``,
    ``gmner_support`` (gold entities), ``gmner_shown`` (those that an image shows), and, with candidates,
    ``region_coverage``: the fraction of shown gold entities with a gold box that a candidate overlaps by the threshold,
    which limits a model that chooses among them.

    Args:
        threshold: Minimum intersection over union of a correct box.
        matching: ``position`` compares word offsets; ``surface`` compares the words and matches as many entities of a
            post as possible.
        kwargs: Options of :class:`torchmetrics.Metric`.

    Raises:
        ConfigurationError: If the threshold is not above 0 and up to 1, or the matching is unknown.

    Example:
        >>> box = (0.0, 0.0, 0.5, 1.0)
        >>> post = Post("1", ("Ann", "in", "Oslo"), ("B-PER", "O", "B-LOC"), boxes={(0, 1): (box,)})
        >>> metric = GroundedF1()
        >>> metric.update([[Entity("PER", 0, 1, boxes=(box,)), Entity("ORG", 2, 3, boxes=())]], [post])
        >>> scores = metric.compute()
        >>> scores["gmner_f1"].item(), scores["eeg_f1"].item()
        (0.5, 1.0)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    counts: Tensor
    shown: Tensor
    coverable: Tensor
    covered: Tensor

    def __init__(self, threshold: float = THRESHOLD, matching: Matching = "position", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < threshold <= 1:
            raise ConfigurationError(f"expected a threshold above 0 and up to 1, got {threshold!r:.60}")
        check_choice("matching", matching, get_args(Matching))
        self.threshold = threshold
        self.matching: Matching = matching
        self.add_state("counts", torch.zeros(5, dtype=torch.long), dist_reduce_fx="sum")
        for name in ("shown", "coverable", "covered"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self,
        preds: Sequence[Sequence[Entity]],
        target: Sequence[Post],
        candidates: Sequence[Sequence[Box]] | None = None,
    ) -> None:
        """Count the entities of B posts.

        Args:
            preds: Predicted entities per post, with ``boxes``.
            target: The posts, with gold tags and boxes.
            candidates: The boxes per post among which the model chooses, if it does.

        Raises:
            DataError: If a predicted entity of a post with gold boxes has no ``boxes``, or several.
        """
        counts, shown, coverable, covered = [0] * 5, 0, 0, 0
        regions = [()] * len(target) if candidates is None else candidates
        for entities, post, region_boxes in zip(preds, target, regions, strict=True):
            if post.boxes is None:
                continue
            found = count_grounded(entities, post, self.threshold, self.matching)
            counts = [total + count for total, count in zip(counts, found, strict=True)]
            gold = [entity.boxes for entity in gold_entities(post) if entity.boxes]
            shown += len(gold)
            if candidates is not None:
                coverable += len(gold)
                covered += sum(covers(region_boxes, boxes, self.threshold) for boxes in gold)
        # Not in place: a count that was reset in inference mode could not be updated in validation during training.
        self.counts = self.counts + self.counts.new_tensor(counts)
        self.shown, self.coverable = self.shown + shown, self.coverable + coverable
        self.covered = self.covered + covered

    def compute(self) -> dict[str, Tensor]:
        """Compute the scores from the counts, by name."""
        *correct, predicted, gold = self.counts
        scores: dict[str, Tensor] = {}
        for name, count in zip(("gmner", "mner", "eeg"), correct, strict=True):
            scores |= {f"{name}_{ratio}": value for ratio, value in ratios(count, predicted, gold).items()}
        scores |= {"gmner_support": gold, "gmner_shown": self.shown}
        if self.coverable:
            scores["region_coverage"] = self.covered / self.coverable
        return scores

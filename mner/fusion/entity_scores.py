"""The entity scores of a validation or a test: both conventions, text-only view, character spans, boxes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mner.decoders.entities import EntityLists
from mner.metrics import CharacterF1, EntityF1, GroundedF1
from mner.posts import Box, Post


class EntityScores(nn.Module):
    """Counts entities in batches, and computes their scores by the names that are logged.

    Args:
        labels: The labels, in the order of their indices.
        text_only: Whether the model aligns views, so that the text-only view is scored as well.
    """

    def __init__(self, labels: Sequence[str], text_only: bool = False) -> None:
        super().__init__()
        self.conlleval = EntityF1(labels)
        self.strict = EntityF1(labels, convention="strict")
        self.text_only = EntityF1(labels) if text_only else None
        self.characters = CharacterF1()
        self.grounded = GroundedF1()

    def update(self, preds: Tensor, target: Tensor, mask: Tensor, text_only: Tensor | None = None) -> None:
        """Count the entities of a batch.

        Args:
            preds: Predicted label indices, shape ``(B, W)``.
            target: Gold label indices, shape ``(B, W)``.
            mask: True where a word is real, shape ``(B, W)``.
            text_only: Label indices predicted without contexts and images, ``(B, W)``, where they are scored.
        """
        self.conlleval.update(preds, target, mask)
        self.strict.update(preds, target, mask)
        if self.text_only is not None and text_only is not None:
            self.text_only.update(text_only, target, mask)

    def update_entities(
        self, preds: EntityLists, target: Sequence[Post], candidates: Sequence[Sequence[Box]] | None = None
    ) -> None:
        """Count decoded entities over character spans, and with their boxes.

        Args:
            preds: The entities of B posts; of none, where they were not decoded.
            target: The same posts.
            candidates: The boxes among which the model chooses, per post; ``None`` for one that predicts no boxes.
        """
        self.characters.update(preds, target)
        known = candidates is not None
        self.grounded.update(preds if known else [], target if known else [], candidates)

    def compute(self) -> dict[str, Tensor]:
        """Compute the scores by name, see :class:`mner.metrics.EntityF1`.

        Returns:
            Those of ``conlleval`` without a suffix, strict ones with ``_strict``, those of the text-only view with
            ``_text_only``, those over character spans, if there are any, with ``_characters``; and those of
            :class:`mner.metrics.GroundedF1` where posts and predictions have boxes.
        """
        scores: dict[str, Tensor] = {}
        for suffix, metric in (("", self.conlleval), ("_strict", self.strict), ("_text_only", self.text_only)):
            if metric is not None:
                scores |= {f"{name}{suffix}": value.float() for name, value in metric.compute().items()}
        characters = self.characters.compute()
        if characters["support"]:
            scores |= {f"{name}_characters": value.float() for name, value in characters.items()}
        grounded = self.grounded.compute()
        if grounded["gmner_support"]:
            scores |= {name: value.float() for name, value in grounded.items()}
        return scores

    def reset(self) -> None:
        """Forget what was counted, by a validation or a test that did not reach its end, too."""
        for metric in (self.conlleval, self.strict, self.text_only, self.characters, self.grounded):
            if metric is not None:
                metric.reset()

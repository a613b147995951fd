"""The entity scores of a validation or a test: by both conventions, of the text-only view, over character spans."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mner.metrics import CharacterF1, EntityF1


class EntityScores(nn.Module):
    """Counts entities in batches, and computes their scores by the names that are logged.

    ``characters`` counts entities over character spans, and is updated by itself.

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

    def compute(self) -> dict[str, Tensor]:
        """Compute the scores by name, see :class:`mner.metrics.EntityF1`, and reset the counts.

        Returns:
            Those of ``conlleval`` without a suffix, strict ones with ``_strict``, those of the text-only view with
            ``_text_only``, and those over character spans, if there are any, with ``_characters``.
        """
        scores: dict[str, Tensor] = {}
        for suffix, metric in (("", self.conlleval), ("_strict", self.strict), ("_text_only", self.text_only)):
            if metric is not None:
                scores |= {f"{name}{suffix}": value.float() for name, value in metric.compute().items()}
                metric.reset()
        characters = self.characters.compute()
        if characters["support"]:
            scores |= {f"{name}_characters": value.float() for name, value in characters.items()}
        self.characters.reset()
        return scores

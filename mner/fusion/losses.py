"""What a fusion module computes of an annotated batch: emissions and losses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Losses:
    """Emissions and losses of a batch of B posts of at most W words, with L labels.

    Args:
        emissions: Shape ``(B, W, L)``.
        total: What is minimised, a scalar.
        parts: Terms of the total that are logged as well, by name: ``alignment_loss``,
            ``grounding_loss``, ``auxiliary_loss``.
        text_only: Emissions of the posts without contexts and images, ``(B, W, L)``; ``None`` unless the model aligns
            views.
    """

    emissions: Tensor
    total: Tensor
    parts: dict[str, Tensor]
    text_only: Tensor | None = None

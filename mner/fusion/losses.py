"""What a fusion module computes of an annotated batch: emissions and losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.fusion.annotation import annotated_tags

if TYPE_CHECKING:
    from mner.fusion.base import FusionModule


@dataclass(frozen=True)
class Losses:
    """Emissions and losses of a batch of B posts of at most W words, with L labels.

    Args:
        emissions: Shape ``(B, W, L)``.
        total: What is minimised, a scalar.
        parts: Terms of the total that are logged as well, by name: ``auxiliary_loss``, ``alignment_loss``.
        text_only: Emissions of the posts without contexts and images, ``(B, W, L)``; ``None`` unless the model aligns
            views.
    """

    emissions: Tensor
    total: Tensor
    parts: dict[str, Tensor]
    text_only: Tensor | None = None


def compute_losses(model: FusionModule, batch: Batch, text: TextFeatures, image: ImageFeatures) -> Losses:
    """Compute emissions and losses: of the decoder, and, where the model has them, of views, regions and its own.

    Args:
        model: In training mode, unannotated posts that align views have the loss of their views only.
        batch: B posts.
        text: Text features, as ``model.encode`` returned them.
        image: Image features.

    Raises:
        DataError: If a post has no tags; a batch of unlabelled posts may be used to align their views.
    """
    emissions, mask = model.emissions(text, image), batch.word_mask
    parts: dict[str, Tensor] = {}
    align, text_only = model.align_views, None
    if align is not None:
        text_only = model(batch.text_only_view())
        parts["alignment_loss"] = align.divergence(model.decoder, emissions, text_only, mask, batch.views_differ)
        if model.training and batch.tags is None:
            return Losses(emissions, align.mix(0.0, parts["alignment_loss"]), parts, text_only)
    tags = annotated_tags(batch)
    total = model.decoder.loss(emissions, tags, mask)
    if align is not None and text_only is not None:
        total = align.mix(total + model.decoder.loss(text_only, tags, mask), parts["alignment_loss"])
    if model.grounding is not None:
        parts["grounding_loss"] = model.grounding.loss(text, model.with_boxes(image), batch.gold_boxes)
        total = total + parts["grounding_loss"]
    auxiliary = model.auxiliary_loss(batch, text, image, emissions)
    if auxiliary is not None:
        parts["auxiliary_loss"] = auxiliary
        total = total + auxiliary
    return Losses(emissions, total, parts, text_only)

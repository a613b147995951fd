"""The inputs and outputs of exported graphs, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mner.batch import Batch, ImageFeatures

TEXT = (
    *("input_ids", "attention_mask", "token_type_ids", "word_slots", "word_starts", "post_of_row", "first_row"),
    "word_mask",
)
"""Inputs with the names and shapes of :class:`mner.batch.Batch`."""
IMAGE = "image_"
"""What the name of an input begins with that is part of :class:`mner.batch.ImageFeatures`."""
PIXELS = "pixels"
"""The input of the graph of an image encoder whose pixels are one tensor."""
EMISSIONS, FUSED, SCORE = "emissions", "fused", "score_"
"""Outputs: emissions, fused vectors for grounding, and what the name of a score of the posts begins with."""


def scorer_inputs(batch: Batch, image: ImageFeatures | None) -> dict[str, Tensor]:
    """List the inputs of the graph of a model.

    Args:
        batch: B posts.
        image: Their image features, with the boxes of the regions if they are known; ``None`` for a model that sees no
            images.
    """
    inputs = {name: getattr(batch, name) for name in TEXT}
    if batch.characters is not None:
        inputs["characters"] = batch.characters
    parts = {} if image is None else vars(image)
    return inputs | {f"{IMAGE}{name}": part for name, part in parts.items() if part is not None}


def image_inputs(pixels: Any) -> dict[str, Tensor]:
    """List the inputs of the graph of an image encoder: rows of what its image transform collated."""
    return dict(pixels) if isinstance(pixels, Mapping) else {PIXELS: pixels}

"""From predicted label indices to entities with text, offsets and confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mner.batch import Batch
from mner.decoders.decoder import Decoder
from mner.entity_bounds import entity_bounds
from mner.labels import split_tag
from mner.posts import Entities, Entity, Post


class EntityLists(list[Entities]):
    """The entities of each post of a batch."""

    def to(self, device: torch.device, **_: Any) -> EntityLists:
        """Return itself: Lightning moves the output of a prediction step, and would search this for tensors."""
        return self


def find_entities(
    decoder: Decoder,
    batch: Batch,
    emissions: Tensor,
    tags: Tensor,
    scores: Mapping[str, Tensor] | None = None,
    confidence: Tensor | None = None,
) -> EntityLists:
    """Decode the entities of predicted tags under ``conlleval``, with one transfer from the device, and one per score.

    Args:
        decoder: The bound decoder, which computes the confidences.
        batch: B posts.
        emissions: Shape ``(B, W, L)``.
        tags: Predicted label indices, shape ``(B, W)``.
        scores: Numbers that describe each post, by name, shape ``(B,)``.
        confidence: Confidences of the entities, shape ``(B, W)``; by default those of the decoder.

    Returns:
        The entities of each post, in order.
    """
    with_confidence = decoder.with_confidence
    if not with_confidence:
        confidence = emissions.new_zeros(tags.shape)
    elif confidence is None:
        confidence = decoder.confidence(emissions, batch.word_mask, tags)
    spelling = decoder.spelling
    first, last = entity_bounds(tags.t(), batch.word_mask.t(), spelling.inside, spelling.continues)
    table = torch.stack([first.t(), last.t(), tags, confidence.float()]).cpu()
    starts, ends = table[0].nonzero().tolist(), table[1].nonzero().tolist()
    labels, probabilities = table[2].long().tolist(), table[3].tolist()
    types = [split_tag(label)[1] for label in decoder.labels]
    by_name = {name: values.tolist() for name, values in (scores or {}).items()}
    found = EntityLists(
        Entities(scores={name: values[index] for name, values in by_name.items()}) for index in range(len(batch))
    )
    for (index, start), (_, end) in zip(starts, ends, strict=True):
        type_ = types[labels[index][start]]
        probability = min(probabilities[index][start], 1.0) if with_confidence else None
        found[index].append(_entity(batch.posts[index], type_, start, end + 1, probability))
    return found


def _entity(post: Post, type: str, start: int, end: int, confidence: float | None) -> Entity:
    characters = None if post.offsets is None else (post.offsets[start][0], post.offsets[end - 1][1])
    return Entity(type, start, end, post.surface(start, end), confidence, characters)

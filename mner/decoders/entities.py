"""From predicted label indices to entities with text, offsets and confidence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mner.batch import Batch
from mner.decoders.decoder import Decoder
from mner.labels import split_tag
from mner.posts import Entity, Post


class EntityLists(list[list[Entity]]):
    """The entities of each post of a batch."""

    def to(self, device: torch.device, **_: Any) -> EntityLists:
        """Return it as it is: Lightning moves what a prediction step returns, and would search this for tensors."""
        return self


def find_entities(decoder: Decoder, batch: Batch, emissions: Tensor, tags: Tensor) -> EntityLists:
    """Read the entities off predicted tags, by the ``conlleval`` rules, with one transfer from the device.

    Args:
        decoder: Gives the confidences, and knows the labels.
        batch: B posts.
        emissions: Shape ``(B, W, L)``.
        tags: Predicted label indices, shape ``(B, W)``.

    Returns:
        The entities of each post, in order.
    """
    confidence = decoder.confidence(emissions, batch.word_mask, tags)
    inside = decoder.inside[tags] & batch.word_mask
    continued = torch.zeros_like(inside)
    continued[:, 1:] = decoder.continues[tags[:, :-1], tags[:, 1:]] & inside[:, 1:]
    last = inside.clone()
    last[:, :-1] &= ~continued[:, 1:]
    first = inside & ~continued
    table = torch.stack([first, last, tags, confidence.float()]).cpu()
    firsts, lasts = table[0].nonzero(), table[1].nonzero()
    types = [split_tag(label)[1] for label in decoder.labels]
    found = EntityLists([] for _ in batch.posts)
    starts = zip(
        firsts.tolist(), table[2][table[0].bool()].long().tolist(), table[3][table[0].bool()].tolist(), strict=True
    )
    for ((index, start), label, probability), (_, end) in zip(starts, lasts.tolist(), strict=True):
        found[index].append(_entity(batch.posts[index], types[label], start, end + 1, probability))
    return found


def _entity(post: Post, type: str, start: int, end: int, confidence: float) -> Entity:
    characters = None if post.offsets is None else (post.offsets[start][0], post.offsets[end - 1][1])
    return Entity(type, start, end, post.surface(start, end), min(confidence, 1.0), characters)

"""The first and the last word of each entity in batches of label indices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mner.labels import continuations


def continuation_table(labels: Sequence[str]) -> Tensor:
    """Tabulate which labels continue the entity of which, for :func:`entity_bounds`.

    Args:
        labels: L labels.

    Returns:
        True where the second label continues the entity of the first, shape ``(L, L)``.
    """
    table = torch.zeros(len(labels), len(labels), dtype=torch.bool)
    for left, indices in enumerate(continuations(labels)):
        table[left, indices] = True
    return table


def entity_bounds(tags: Tensor, mask: Tensor, inside: Tensor, continues: Tensor) -> tuple[Tensor, Tensor]:
    """Find the first and the last word of each entity.

    Args:
        tags: Label indices, shape ``(W, B)``, valid everywhere.
        mask: True where a word is real, shape ``(W, B)``.
        inside: True for the labels of words in an entity, shape ``(L,)``.
        continues: What :func:`continuation_table` returns, shape ``(L, L)``.

    Returns:
        Two masks of shape ``(W, B)``.
    """
    entity = inside[tags] & mask
    continued = continues[tags[:-1], tags[1:]] & mask[1:]
    no = torch.zeros_like(mask[:1])
    return entity & ~torch.cat([no, continued]), entity & ~torch.cat([continued, no])

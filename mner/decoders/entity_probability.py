"""Probability of an entity: the sum over all tag sequences that encode it under the ``conlleval`` convention.

``B-PER I-PER`` and a stray ``I-PER I-PER`` are the same person, as are the many tag sequences of one in BIOES, called
spellings here. Within an entity every word has one of the S labels of its type, so the sum is a product of small
matrices.

Tensors have the words first and the posts last, as in :mod:`mner.decoders.linear_chain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mner.entity_bounds import continuation_table, entity_bounds
from mner.labels import OUTSIDE, split_tag


class Spelling(NamedTuple):
    """How L labels encode entities.

    Args:
        inside: True for each label of an entity, shape ``(L,)``.
        continues: True where the second label (column) continues the entity of the first (row), shape ``(L, L)``.
        siblings: Indices of the labels that have a label's type, -1 as padding, shape ``(L, S)``; all -1 for ``O``.
    """

    inside: Tensor
    continues: Tensor
    siblings: Tensor

    @classmethod
    def of(cls, labels: Sequence[str]) -> Spelling:
        """Tabulate a label set.

        Raises:
            LabelError: If a label is of no scheme that mner reads.
        """
        types = [split_tag(label)[1] for label in labels]
        of_type: dict[str, list[int]] = {}
        for index, type_ in enumerate(types):
            of_type.setdefault(type_, []).append(index)
        siblings = [[] if label == OUTSIDE else of_type[type_] for label, type_ in zip(labels, types, strict=True)]
        width = max(1, *map(len, siblings))
        return cls(
            torch.tensor([label != OUTSIDE for label in labels]),
            continuation_table(labels),
            torch.tensor([row + [-1] * (width - len(row)) for row in siblings]),
        )


class Slots(NamedTuple):
    """The labels that each word of an entity may have.

    Args:
        labels: Label indices, shape ``(W, S, B)``; 0 where not ``valid``.
        valid: True where there is such a label, shape ``(W, S, B)``.
        first: True at the first word of each entity, shape ``(W, B)``.
        last: True at the last word of each entity, shape ``(W, B)``.
    """

    labels: Tensor
    valid: Tensor
    first: Tensor
    last: Tensor


def entity_slots(tags: Tensor, mask: Tensor, spelling: Spelling) -> Slots:
    """Look up the labels of each entity's type at its words; see :func:`mner.entity_bounds.entity_bounds`."""
    labels = spelling.siblings[tags].transpose(1, 2)
    return Slots(labels.clamp_min(0), labels >= 0, *entity_bounds(tags, mask, spelling.inside, spelling.continues))


def sum_spellings(begin: Tensor, step: Tensor, leave: Tensor, slots: Slots) -> Tensor:
    """Sum the probabilities of all spellings of each entity.

    Args:
        begin: Probability that a word has the slot's label and does not continue the word before, ``(W, S, B)``.
        step: Probability of a slot's label (second S) given that of the word before (first S), zero where it does
            not continue the entity, ``(W - 1, S, S, B)``.
        leave: Probability given the slot's label that the word after does not continue the entity, ``(W, S, B)``.
        slots: The labels of the entities.

    Returns:
        Shape ``(W, B)``: the probability at the first word of each entity, zero at every other word.
    """
    begin = begin.masked_fill(~slots.valid, 0)
    states = [begin[0]]
    for start, first, matrix in zip(begin[1:].unbind(), slots.first[1:].unbind(), step.unbind(), strict=True):
        states.append(torch.where(first, start, (states[-1].unsqueeze(1) * matrix).sum(0)))
    ends = (torch.stack(states) * leave).sum(1).masked_fill(~slots.last, 0)
    positions = torch.arange(len(ends), device=ends.device).unsqueeze(1)
    first_word = (positions * slots.first).cummax(0).values
    total = torch.zeros_like(ends).scatter_add(0, first_word, ends)
    return total.clamp_max(1).masked_fill(~slots.first, 0)

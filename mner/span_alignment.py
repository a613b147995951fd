"""Character spans aligned to words: the entities that tags can express."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mner.labels import spans as spans_of
from mner.posts import CharacterSpan, Entity

Offsets = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Gold character spans aligned to words.

    Args:
        entities: The entities, in order, without overlap.
        aligned: The span of each entity.
        widened: Spans that do not start and end at word borders, so that their entity covers whole words.
        lost: Spans without an entity, since they share a word with an earlier span or cover no word.
    """

    entities: tuple[Entity, ...]
    aligned: tuple[CharacterSpan, ...]
    widened: tuple[CharacterSpan, ...]
    lost: tuple[CharacterSpan, ...]


def align_spans(text: str, offsets: Offsets, spans: Sequence[CharacterSpan]) -> Alignment:
    """Snap gold spans outwards to word borders.

    Args:
        text: The raw text.
        offsets: Character offsets of its words, in order.
        spans: Gold spans ``(start, end, type)`` that do not overlap.
    """
    entities: list[Entity] = []
    aligned, widened, lost = [], [], []
    free = 0  # the first word that no entity covers yet
    for start, end, kind in sorted(spans):
        inside = [index for index, (left, right) in enumerate(offsets) if left < end and right > start]
        if not inside or inside[0] < free:
            lost.append((start, end, kind))
            continue
        first, last = inside[0], inside[-1]
        free = last + 1
        entities.append(Entity(kind, first, free))
        aligned.append((start, end, kind))
        if text[start:end].strip() != text[offsets[first][0] : offsets[last][1]].strip():
            widened.append((start, end, kind))
    return Alignment(tuple(entities), tuple(aligned), tuple(widened), tuple(lost))


def contradiction(tags: Sequence[str], text: str, offsets: Offsets, spans: Sequence[CharacterSpan]) -> str | None:
    """Describe how character spans contradict the tags of the same words; ``None`` if they do not.

    Args:
        tags: One tag per word.
        text: The raw text.
        offsets: Character offsets of its words, in order.
        spans: Gold spans that do not overlap.
    """
    tagged = {entity.span for entity in spans_of(tags)}
    aligned = {entity.span for entity in align_spans(text, offsets, spans).entities}
    if tagged == aligned:
        return None

    def describe(entities: set[tuple[str, int, int]]) -> str:
        named = (f"{kind} {text[offsets[start][0] : offsets[end - 1][1]]!r}" for kind, start, end in sorted(entities))
        return ", ".join(named) or "no such entity"

    return f"tags say {describe(tagged - aligned)}, but character_spans {describe(aligned - tagged)}"

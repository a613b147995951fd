"""Locating the entities of an answer in the words of a post."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mner.posts import Box, Entity, Post
from mner.prompting.box_units import BoxUnit, fractions
from mner.prompting.entity_answer import EntityAnswer, ListedEntity
from mner.prompting.entity_types import EntityTypes

MARKS = "#@"
"""Marks before names, which are not part of the entity where they are words of their own."""
_AROUND = "\"'`.,;:!?()[]{}<>*_~-\u2013\u2014\u2018\u2019\u201c\u201d\u2026#@&/|"
Span = tuple[int, int]


@dataclass(frozen=True)
class LocatedEntities:
    """The entities of an answer in a post.

    Args:
        entities: The entities, in order; no two overlap.
        dropped: How many listed entities are left out, by the reason.
    """

    entities: tuple[Entity, ...]
    dropped: Counter[str]


def locate(
    answer: EntityAnswer,
    post: Post,
    types: EntityTypes,
    boxes: BoxUnit | None = None,
    image_size: tuple[int, int] | None = None,
) -> LocatedEntities:
    """Locate the entities of an answer by their text.

    * A text is compared with whole words, without white space: exactly; if it does not occur, without case; and if it
      does not occur then either, without case and without punctuation, ``#``, ``@`` and ``'s`` around it. It is dropped
      if it does not occur at all. Words ``#`` and ``@`` before a name do not belong to the entity.
    * Every occurrence is an entity. Where a text is listed with several types, its occurrences in the post get them in
      the order of the list, and further ones the last.
    * Where occurrences overlap, the one of more words is kept, then the one that is listed first.
    * A type is matched by :meth:`EntityTypes.find`; an entity of another type is dropped.

    Args:
        answer: What the answer lists.
        post: The post.
        types: The types.
        boxes: Unit of the boxes in the answer; ``None`` ignores boxes.
        image_size: Width and height of the image as the model saw it, in pixels.
    """
    dropped: Counter[str] = Counter()
    by_text: dict[str, list[tuple[ListedEntity, str]]] = {}
    for listed in answer.listed:
        type_ = types.find(listed.type)
        if type_ is None:
            dropped["of another type"] += 1
            continue
        versions = by_text.setdefault(_exact(listed.text), [])
        if type_ not in (known for _, known in versions):
            versions.append((listed, type_))
    candidates: list[tuple[Span, ListedEntity, str]] = []
    for versions in by_text.values():
        found = _occurrences(versions[0][0].text, post.words)
        if not found:
            dropped["not in the post"] += len(versions)
        elif len(found) < len(versions):
            dropped["no further occurrence"] += len(versions) - len(found)
        candidates += [(span, *versions[min(index, len(versions) - 1)]) for index, span in enumerate(found)]
    entities: list[Entity] = []
    taken: set[int] = set()
    for (start, end), listed, type_ in sorted(candidates, key=lambda each: each[0][0] - each[0][1]):
        if taken & set(range(start, end)):
            dropped["inside or across another entity"] += 1
            continue
        taken.update(range(start, end))
        shown = None if boxes is None else fractions(listed.boxes, boxes, image_size)
        entities.append(_entity(post, type_, start, end, shown))
    return LocatedEntities(tuple(sorted(entities, key=lambda entity: entity.start)), dropped)


def _entity(post: Post, type_: str, start: int, end: int, boxes: tuple[Box, ...] | None) -> Entity:
    characters = None if post.offsets is None else (post.offsets[start][0], post.offsets[end - 1][1])
    return Entity(type_, start, end, post.surface(start, end), None, characters, boxes)


def _occurrences(text: str, words: Sequence[str]) -> list[Span]:
    """All occurrences of a text, from left to right without overlap, by the first comparison that finds one."""
    for normalise, is_bare in ((_exact, False), (_folded, False), (_folded, True)):
        found = _find(text, words, normalise, is_bare)
        if found:
            return found
    return []


def _find(text: str, words: Sequence[str], normalise: Callable[[str], str], is_bare: bool) -> list[Span]:
    sought = _bare(normalise(text)) if is_bare else normalise(text)
    parts = [normalise(word) for word in words]
    found: list[Span] = []
    start = 0
    while sought and start < len(words):
        end = _end(sought, parts, start, is_bare)
        if end is None:
            start += 1
            continue
        first = start
        while first < end - 1 and not words[first].strip(MARKS):
            first += 1
        found.append((first, end))
        start = end
    return found


def _end(sought: str, parts: Sequence[str], start: int, is_bare: bool) -> int | None:
    """Where an occurrence that begins at a word ends; ``None`` if there is none."""
    if not (_bare(parts[start]) if is_bare else parts[start]):  # a word of punctuation begins no bare name
        return None
    joined = ""
    for end in range(start, len(parts)):
        joined += parts[end]
        if (_bare(joined) if is_bare else joined) == sought:
            return end + 1
        if len(joined) > len(sought) + (len(parts[start]) + len(parts[end]) if is_bare else 0):
            return None
    return None


def _exact(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).split())


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _bare(text: str) -> str:
    stripped = text.strip(_AROUND)
    for possessive in ("'s", "\u2019s"):
        stripped = stripped.removesuffix(possessive)
    return stripped

"""The entities that an answer lists, whatever the form: JSON in several shapes, or a numbered list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from mner.prompting.json_answer import answer_text, json_values

MAX_MENTIONS = 500
"""Maximum number of entities that are read from one answer."""
Numbers = tuple[float, ...]

_LIST_KEYS = ("entities", "named_entities", "answer")
_TEXT_KEYS = ("text", "entity", "name", "mention", "span", "surface")
_TYPE_KEYS = ("type", "label", "category", "entity_type", "class")
_BOX_KEYS = ("boxes", "box", "bbox", "bbox_2d", "bounding_box", "bounding_boxes")
_HEADING = re.compile(r"named entit\w+[^:\n]{0,60}:", re.IGNORECASE)
_REASONING = re.compile(r"\b(?:reason\w*|explanation)\s*:", re.IGNORECASE)
_ITEM = re.compile(r"(?:\d+[.)]|^\s*[-*\u2022])\s*([^\n]{1,200}?)\s*\(([^()\n]{1,100})\)", re.MULTILINE)


@dataclass(frozen=True)
class ListedEntity:
    """An entity as an answer lists it.

    Args:
        text: Its text.
        type: Its type, in the words of the answer.
        boxes: Its boxes, four numbers each, in whatever unit.
    """

    text: str
    type: str
    boxes: tuple[Numbers, ...] = ()


@dataclass(frozen=True)
class EntityAnswer:
    """What an answer lists.

    Args:
        listed: The entities, in order.
        is_repaired: Whether the answer was no valid JSON.
    """

    listed: tuple[ListedEntity, ...]
    is_repaired: bool = False


def read_entity_answer(answer: str) -> EntityAnswer | None:
    """Read the entities that an answer lists.

    JSON is an object with a list of ``entities``, such a list itself, or an object of lists by type. If an answer
    contains several, because it repeats an example or the post, the last one counts. Without JSON, a numbered list
    ``1. Oslo (city)`` is read, up to the reasoning if there is any.

    Args:
        answer: The answer.

    Returns:
        The entities, or ``None`` if the answer is unusable.
    """
    found: EntityAnswer | None = None
    is_named = False  # an object of entities outweighs a list, which may be anything
    for value, is_repaired in json_values(answer):
        items, named = _items(value)
        if items is not None and (named or not is_named):
            found, is_named = EntityAnswer(tuple(items[:MAX_MENTIONS]), is_repaired), named
    return found or _numbered(answer_text(answer))


def _items(value: Any) -> tuple[list[ListedEntity] | None, bool]:
    """The entities in a JSON value, ``None`` if it has not their form; and whether it names them so."""
    if isinstance(value, Mapping):
        for key in _LIST_KEYS:
            if isinstance(value.get(key), (list, Mapping)):
                return _items(value[key])[0], True
        by_type = [texts for texts in value.values() if isinstance(texts, list)]
        if 0 < len(by_type) == len(value) and all(isinstance(text, str) for text in chain(*by_type)):
            return [ListedEntity(text, str(type_)) for type_, texts in value.items() for text in texts], False
        item = _item(value)
        return None if item is None else [item], False
    if not isinstance(value, list):
        return None, False
    items = [_item(each) for each in value]
    good = [item for item in items if item is not None]
    return (good if good or not items else None), False


def _item(value: Any) -> ListedEntity | None:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return ListedEntity(*value)
    if not isinstance(value, Mapping):
        return None
    text = next((value[key] for key in _TEXT_KEYS if isinstance(value.get(key), str)), None)
    type_ = next((value[key] for key in _TYPE_KEYS if isinstance(value.get(key), str)), None)
    if text is None or type_ is None:
        return None
    boxes: list[Any] = next((value[key] for key in _BOX_KEYS if isinstance(value.get(key), list)), [])
    return ListedEntity(text, type_, tuple(_boxes(boxes)))


def _boxes(value: list[Any]) -> Iterator[Numbers]:
    for each in [value] if value and not isinstance(value[0], list) else value:
        if isinstance(each, list) and len(each) == 4 and all(type(number) in (int, float) for number in each):
            yield tuple(each)


def _numbered(text: str) -> EntityAnswer | None:
    heading = _HEADING.search(text)
    text = text[heading.end() if heading else 0 :]
    reasoning = _REASONING.search(text)
    items = _ITEM.findall(text[: reasoning.start()] if reasoning else text)
    if not items and heading is None:
        return None
    return EntityAnswer(tuple(ListedEntity(*item) for item in items[:MAX_MENTIONS]), is_repaired=True)

"""Posts and entities as JSON: the codec of predictions, data writers and tagged posts.

The decoder is strict: it reads what the encoder wrote and names what is malformed. The many layouts of other tools are
recognised by :mod:`mner.data.readers`.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from mner.errors import DataError
from mner.labels import OUTSIDE
from mner.posts import Box, CharacterSpan, Entity, Post, is_box
from mner.remote_images import address_of, remote_path
from mner.span_alignment import contradiction
from mner.unicode import repair_surrogates, visible_name

_TAG = re.compile("[BI][-_].")


def to_json(value: Any, indent: int | None = None) -> str:
    """Encode plain data as standard JSON, which has no NaN and no infinity: they become ``null``.

    Lone surrogates, which UTF-8 cannot encode, are repaired (:mod:`mner.unicode`).

    Args:
        value: Strings, numbers, booleans, ``None``, mappings, lists and tuples of them.
        indent: Spaces per level; by default everything is on one line.

    Raises:
        TypeError: If it contains anything else.

    Example:
        >>> to_json({"score": float("nan"), "words": ("Zoë",)})
        '{"score": null, "words": ["Zoë"]}'
    """
    return json.dumps(_finite(repair_surrogates(value)[0]), ensure_ascii=False, allow_nan=False, indent=indent)


def from_json(text: str | bytes) -> Any:
    """Decode standard JSON.

    Raises:
        DataError: If it is malformed, has a key twice in one object, or contains NaN or an infinity such as ``1e999``.
    """
    try:
        return json.loads(text, object_pairs_hook=unique_keys, parse_float=finite, parse_constant=finite)
    except (ValueError, RecursionError) as error:
        raise DataError(f"invalid JSON ({error})") from error


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object from its pairs; one of two equal keys would otherwise be lost.

    Raises:
        ValueError: If a key occurs twice.
    """
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} occurs twice in one object")
    return record


def finite(number: str) -> float:
    """Parse a JSON number as a float.

    Raises:
        ValueError: If it is NaN or an infinity, or too large for a float, such as ``1e999``.
    """
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not a finite number")
    return value


def is_number(value: object) -> bool:
    """Whether a value is a number, but not a boolean, that is a finite float or can be converted to one."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def post_to_dict(post: Post, images: Sequence[str] | None = None) -> dict[str, Any]:
    """Describe a post as plain data; absent fields are omitted.

    Args:
        post: The post.
        images: Names to write for its images; by default their file names, or their addresses.
    """
    record: dict[str, Any] = {"id": post.id, "words": list(post.words)}
    if post.text is not None:
        record["text"] = post.text
    if post.offsets is not None:
        record["offsets"] = [list(pair) for pair in post.offsets]
    names = [address_of(image) or image.name for image in post.images] if images is None else list(images)
    if names:
        record |= {"image": names[0]} if len(names) == 1 else {"images": names}
    if post.contexts:
        record["contexts"] = dict(post.contexts)
    if post.tags is not None:
        record["tags"] = list(post.tags)
    if post.spans is not None:
        record["character_spans"] = [list(span) for span in post.spans]
    if post.boxes is not None:
        record["entity_boxes"] = [
            {"start": start, "end": end, "box": list(box)}
            for (start, end), boxes in sorted(post.boxes.items())
            for box in boxes
        ]
    if post.metadata:
        record["metadata"] = dict(post.metadata)
    return record


def post_from_dict(record: Any) -> Post:
    """Build the post that :func:`post_to_dict` described; other keys are ignored.

    Raises:
        DataError: If a value is missing or of the wrong type, tags or offsets are not one per word, a tag is not in its
            visible form, or offsets or character spans are not within the text.
    """
    record = _mapping(record, "a post")
    tags, offsets, spans = (record.get(name) for name in ("tags", "offsets", "character_spans"))
    images = _images(record)
    post = Post(
        id=_text(record.get("id"), "id"),
        words=_texts(record.get("words"), "words"),
        tags=None if tags is None else tuple(_visible(tag, "every tag") for tag in _texts(tags, "tags")),
        image=images[0] if images else None,
        more_images=images[1:],
        contexts={kind: _text(text, f"contexts.{kind}") for kind, text in _optional(record, "contexts").items()},
        text=None if record.get("text") is None else _text(record["text"], "text"),
        offsets=None if offsets is None else tuple(_pair(pair, "offsets") for pair in _list(offsets, "offsets")),
        metadata=_optional(record, "metadata"),
        spans=None if spans is None else tuple(map(_character_span, _list(spans, "character_spans"))),
        boxes=_gold_boxes(record.get("entity_boxes")),
    )
    _check_bounds("offsets", post.offsets or (), post.text)
    _check_spans(post)
    return post


def entity_to_dict(entity: Entity, post: Post) -> dict[str, Any]:
    """Describe an entity of a post as plain data."""
    record: dict[str, Any] = {
        "type": entity.type,
        "text": entity.text if entity.text is not None else post.surface(entity.start, entity.end),
        "start": entity.start,
        "end": entity.end,
    }
    if entity.characters is not None:
        record["characters"] = list(entity.characters)
    if entity.confidence is not None:
        record["confidence"] = round(entity.confidence, 6)
    if entity.boxes is not None:
        record["boxes"] = [list(box) for box in entity.boxes]
    return record


def entity_from_dict(record: Any, post: Post) -> Entity:
    """Build the entity that :func:`entity_to_dict` described.

    Args:
        record: Plain data.
        post: Its post.

    Raises:
        DataError: If a value is missing or of the wrong type; if the span is empty, reversed or not within the post, or
            its text or characters are not those of its words; if the confidence is not between 0 and 1; or if the type
            is ``O``, a tag, or not in its visible form.
    """
    record = _mapping(record, "an entity")
    words = len(post.words)
    type_, start, end = _type(record.get("type"), post), record.get("start"), record.get("end")
    if not (_is_index(start) and _is_index(end) and start < end <= words):
        raise DataError(
            f"expected an entity within the {words} words of the post, 0 <= start < end <= {words}, "
            f"got {type_} from {start!r} to {end!r}"
        )
    confidence = record.get("confidence")
    if confidence is not None and not (is_number(confidence) and 0 <= confidence <= 1):
        raise _error("confidence", "a number from 0 to 1", confidence)
    text, characters = record.get("text"), record.get("characters")
    surface = post.surface(start, end)
    same = {"".join(each.split()) for each in (surface, " ".join(post.words[start:end]))}
    if text is not None and "".join(_text(text, "text").split()) not in same:
        raise _error(f"the text of {type_} from {start} to {end}", f"that of its words, {surface!r}", text)
    bounds = None if post.offsets is None else (post.offsets[start][0], post.offsets[end - 1][1])
    if characters is not None and _pair(characters, "characters") != bounds:
        expected = (
            "left out, since the post has no offsets" if bounds is None else f"those of its words, {list(bounds)}"
        )
        raise _error(f"the characters of {type_} from {start} to {end}", expected, characters)
    boxes = record.get("boxes")
    boxes = None if boxes is None else tuple(_box(box) for box in _list(boxes, f"the boxes of {type_}"))
    return Entity(type_, start, end, text, confidence, None if characters is None else bounds, boxes)


def scores_from_dict(record: Any) -> dict[str, float]:
    """Return the ``scores`` of a prediction, numbers by name; empty if it has none.

    Raises:
        DataError: If one of them is not a number.
    """
    scores = _optional(record, "scores")
    for name, score in scores.items():
        if not is_number(score):
            raise _error(f"scores.{name}", "a number", score)
    return scores


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _error(name: str, expected: str, value: Any) -> DataError:
    return DataError(f"expected {name} to be {expected}, got {value!r:.60}")


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _error(name, "an object", value)
    return value


def _optional(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {} if record.get(name) is None else dict(_mapping(record[name], name))


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise _error(name, "a list", value)
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _error(name, "a string", value)
    return value


def _texts(value: Any, name: str) -> tuple[str, ...]:
    return tuple(_text(item, f"every item of {name}") for item in _list(value, name))


def _pair(value: Any, name: str) -> tuple[int, int]:
    pair = _list(value, name)
    if len(pair) != 2 or not all(map(_is_index, pair)) or pair[0] > pair[1]:
        raise _error(name, "a start and an end that is not before it", value)
    return pair[0], pair[1]


def _character_span(value: Any) -> CharacterSpan:
    span = _list(value, "every item of character_spans")
    if len(span) != 3:
        raise _error("every item of character_spans", "a start, an end and a type", value)
    return *_pair(span[:2], "character_spans"), _text(span[2], "the type in character_spans")


def _images(record: Mapping[str, Any]) -> tuple[Path, ...]:
    name, names = record.get("image"), record.get("images")
    if name is not None and names is not None:
        raise _error("image", "left out where there are images", name)
    given = [name] if name is not None else _list(names, "images") if names is not None else []
    for each in given:
        if not (isinstance(each, str) and each):
            raise _error("image" if names is None else "every item of images", "a file name", each)
    return tuple(remote_path(each, Path()) if "://" in each else Path(each) for each in given)


def _gold_boxes(value: Any) -> dict[tuple[int, int], tuple[Box, ...]] | None:
    if value is None:
        return None
    boxes: dict[tuple[int, int], tuple[Box, ...]] = {}
    for item in _list(value, "entity_boxes"):
        item = _mapping(item, "every item of entity_boxes")
        bounds = _pair([item.get("start"), item.get("end")], "the start and end in entity_boxes")
        boxes[bounds] = (*boxes.get(bounds, ()), _box(item.get("box")))
    return boxes


def _box(value: Any) -> Box:
    box = tuple(value) if isinstance(value, list) else value
    if not is_box(box):
        raise _error("a box", "[x1, y1, x2, y2] in fractions of width and height, 0 <= x1 < x2 <= 1", value)
    return cast("Box", box)


def _check_bounds(name: str, bounds: Iterable[tuple[int, int]], text: str | None) -> None:
    last, length = 0, math.inf if text is None else len(text)
    for start, end in bounds:
        if not last <= start <= end <= length:
            raise _error(name, "in order, without overlap, within the text", [start, end])
        last = end


def _check_spans(post: Post) -> None:
    if post.spans is None:
        return
    if post.text is None:
        raise _error("character_spans", "left out, since the post has no text", post.spans)
    _check_bounds("character_spans", [span[:2] for span in sorted(post.spans)], post.text)
    if post.tags is not None and post.offsets is not None:
        found = contradiction(post.tags, post.text, post.offsets, post.spans)
        if found is not None:
            raise DataError(found)


def _type(value: Any, post: Post) -> str:
    type_ = _visible(_text(value, "type"), "type")
    gold = {tag[2:] for tag in post.tags or ()}
    if not type_ or type_.upper() == OUTSIDE or (_TAG.match(type_) and type_ not in gold):
        raise _error("type", "the name of an entity type, without B- and I-", type_)
    return type_


def _visible(name: str, what: str) -> str:
    if visible_name(name) != name:
        raise _error(what, f"{visible_name(name)!r}, without invisible characters", name)
    return name


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

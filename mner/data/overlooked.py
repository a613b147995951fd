"""Keys of a record that are not read, although they contain an annotation, an image or a text about one.

The form of a value decides before the name of its key: a tag per word, or spans with bounds and a type, are an
annotation under any key. The name decides where the form fits other things, too, such as a class per word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mner.data.context_texts import context_text
from mner.data.embedded_images import is_embedded
from mner.data.extent import Extent
from mner.data.forms import is_annotation, may_be_annotation, tags_in
from mner.data.image_names import LINK, split_suffix
from mner.data.lines import Line
from mner.data.literals import by_index, decoded, rows, words_of
from mner.data.span_forms import are_parallel, is_span, is_typed

# The words of keys, of an annotation by name only, and of what else has the same form.
_ANNOTATION = re.compile(
    r"ner|nes?|named|entit(y|ies)|ents?|annotat(ions?|ed)|spans?|mentions?|bio|iob|bioes|bilou|gold|targets?|tags?|labels?"
)
_OTHER = re.compile(
    r"[ux]?pos|chunks?|deps?|morph|lemmas?|lang|language|hash|(hash|cash)tags?|users?|im(g|ages?)|total|counts?|num|cancelled|"
    r"sentiment|topics?|emoji|post|quality"
)
_ENTITIES = re.compile(r"ner|nes|named|entit(y|ies)|ents")
_NOT_GOLD = re.compile(r"pred(s|ict(ed|ions?)?)?|relations?")
_INVENTORY = re.compile(r"ids?|names?|types?|class(es)?|list|set|vocab|schem[ae]|map(ping)?|features")
_MARKS = re.compile(r"(hash|cash)tags")
_TWITTER_ENTITIES = frozenset(
    {"hashtags", "urls", "user_mentions", "symbols", "media", "mentions", "cashtags", "polls", "annotations"}
)

# A key of these words only, and whose image it is, names an image; with others it may be its size or its labels.
_IMAGE = re.compile(r"im(g|age)?s?|(im(g|age))(id|name|path|file|url)s?|photos?|pic(ture)?s?|media")
_NAMING = re.compile(r"ids?|paths?|files?|filenames?|names?|ur[il]s?|links?|src|list")
_WHOSE = re.compile(r"tweet|post|status|main|cover|thumb(nail)?|first|primary|attached|featured|preview|lead")
_PERSON = re.compile(r"users?|profile|avatar|author|owner|account|person|face|icon|logo|banner|background|channel")
_CAPTION = re.compile(r"captions?|ocr|alt|context")
_TEXT = re.compile(r"texts?|desc(ription)?s?|objects?")
_LINKED_IMAGE = "{} looks like an image and is not read: images are files in the image folder"


def refuse_overlooked(
    record: Mapping[str, Any], keys: Iterable[str], line: Line, extent: Extent, *, has_image: bool
) -> None:
    """Reject keys that are not read but, by form or by name, should be; where posts are only tagged, note them.

    Args:
        record: The record.
        keys: Its keys that were not read.
        line: Its line.
        extent: The length of the post.
        has_image: Whether an image was read from another key; without one, links to images are noted.

    Raises:
        FormatError: Names the key.
    """
    for key in sorted(keys):
        value = record[key]
        if holds_annotation(key, value, extent):
            line.doubt(
                f"{key} looks like an annotation, in a form that mner does not read",
                f"{value!r:.80}",
                "Write it as tags or entities (see the page on formats), or move it into metadata if it is neither",
            )
        elif not has_image and (image := _image(key, value)) is not None:
            if not _is_file(image):
                line.note(_LINKED_IMAGE.format(key))
                continue
            line.doubt(
                f"{key} looks like the name of an image, which is read under image or image_id",
                f"{value!r:.80}",
                "Rename it to image, or move it into metadata if it is none",
            )
        elif _is_caption(key, value):
            line.doubt(
                f"{key} looks like a text about the image, which is read under caption or contexts",
                f"{value!r:.80}",
                'Write it as "contexts": {"caption": ...}, or move it into metadata if it is none',
            )


def note_linked_images(record: Mapping[str, Any], keys: Iterable[str], line: Line) -> None:
    """Note links to images in Twitter's own ``entities``, of a post whose image was not read from another key.

    Args:
        record: The record.
        keys: Its keys that were not read.
        line: Its line.
    """
    for key in sorted(keys):
        value = decoded(record[key])
        if is_twitter(value) and _image(key, value) is not None:
            line.note(_LINKED_IMAGE.format(key))


def refuse_scattered(record: Mapping[str, Any], keys: Iterable[str], line: Line, extent: Extent) -> None:
    """Reject an annotation whose parts are under several keys that are not read, such as ``starts`` and ``types``.

    Args:
        record: The record.
        keys: Its keys that were not read.
        line: Its line.
        extent: The length of the post.

    Raises:
        FormatError: Names the keys. Where posts are only tagged, they are noted instead.
    """
    values = {key: decoded(record[key]) for key in sorted(keys) if not _any(_NOT_GOLD, words_of(key))}
    lengths = {key: len(value) if isinstance(value, list) else 0 for key, value in values.items()}
    for length in sorted({*lengths.values()}):
        parts = {key: values[key] for key in values if lengths[key] == length and not isinstance(values[key], dict)}
        if len(parts) < 2 or not _is_entity(parts, extent):
            continue
        needed = [key for key in parts if not _is_entity({**parts, key: None}, extent)] or list(parts)
        line.doubt(
            f"{' and '.join(needed)} look like the parts of an annotation, in a form that mner does not read",
            f"{ {key: parts[key] for key in needed}!r:.80}",
            "Write it as tags or entities (see the page on formats), or move them into metadata if they are neither",
        )


def _is_entity(parts: Mapping[str, Any], extent: Extent) -> bool:
    given = {key: value for key, value in parts.items() if value is not None}
    lists = rows(given)
    if isinstance(lists, list):
        return all(is_span(item, extent) for item in lists)
    return is_span(given, extent) or are_parallel(given, extent)


def is_twitter(value: Any) -> bool:
    """Whether a value is Twitter's own ``entities`` of a post: its hashtags and links, and automatic annotations."""
    return isinstance(value, dict) and bool(value) and value.keys() <= _TWITTER_ENTITIES


def holds_annotation(key: str, value: Any, extent: Extent) -> bool:
    """Whether a value is an annotation, or has one in it, at any depth.

    Predictions, relations and lists of all tags, such as ``label_names``, do not count.
    """
    if is_typed({key: value}, extent):
        return True
    for words, item in _nested(key, value):
        if _any(_ENTITIES, words) and not _any(_OTHER, words) and _are_surfaces(item, extent):
            return True
        if _is_inventory(words, item) or (_any(_MARKS, words) and _are_marks(item)):
            continue
        if is_annotation(item, extent):
            return True
        if is_twitter(item) or _any(_OTHER, words) or not _any(_ANNOTATION, words):
            continue
        if may_be_annotation(item, extent):
            return True
    return False


def _nested(key: str, value: Any) -> Iterator[tuple[frozenset[str], Any]]:
    """A value and everything in it, at any depth, each with the words of its key."""
    stack = [(words_of(key), value)]
    while stack:
        words, item = stack.pop()
        if _any(_NOT_GOLD, words):
            continue
        yield words, (item := decoded(item))
        if isinstance(item, list):
            stack += [(words, each) for each in item if isinstance(each, (list, dict)) or decoded(each) is not each]
        elif isinstance(item, dict):
            stack += [(words_of(name), each) for name, each in item.items() if isinstance(each, (list, dict, str))]


def _are_surfaces(value: Any, extent: Extent) -> bool:
    """Whether a value lists words of the post, in a list or, several of them, in a string."""
    items = value if isinstance(value, list) else re.split(r"[,;|]", value) if isinstance(value, str) else []
    return len(items) > isinstance(value, str) and all(map(extent.contains, items))


def _is_inventory(words: frozenset[str], value: Any) -> bool:
    """Whether a value lists every tag once, as the label set of a model does."""
    value = by_index(value)
    tags = value if isinstance(value, list) else tags_in(value) if isinstance(value, str) else []
    return _any(_INVENTORY, words) and all(isinstance(tag, str) for tag in tags) and len(set(tags)) == len(tags) > 0


def _are_marks(value: Any) -> bool:
    """Whether a value lists Twitter's hashtags, whose ``tag`` is a word."""
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, dict) and item.keys() == {"start", "end", "tag"} for item in items)


def _image(key: str, value: Any) -> Any:
    """What names or contains an image, at any depth: a file if there is one, else a link, else ``None``."""
    found = [value] if _is_image(key, value) else []
    stack = [(key, value)]
    while stack:
        name, item = stack.pop()
        if _any(_PERSON, words_of(name)):
            continue
        if isinstance(item, dict):
            stack += item.items()
        elif isinstance(item, list) and any(isinstance(each, (dict, list)) for each in item):
            stack += [(name, each) for each in item]
        elif _is_image(name, item):
            found.append(item)
    return next(filter(_is_file, found), next(iter(found), None))


def _is_image(key: str, value: Any) -> bool:
    """Whether a value is an image, or its name: a file with a suffix of one, or an id whose key says so."""
    words = words_of(key)
    if _any(_PERSON, words):
        return False
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, (str, bytes)) and is_embedded(item) for item in items):
        return True
    files = [isinstance(item, str) and len(item.split()) == 1 and split_suffix(item)[1] for item in items]
    if files and all(files):
        return True
    others = [word for word in words if not _IMAGE.fullmatch(word)]
    naming = len(others) < len(words) and all(_NAMING.fullmatch(word) or _WHOSE.fullmatch(word) for word in others)
    return naming and bool(value) and not isinstance(value, (bool, float))


def _is_file(value: Any) -> bool:
    """Whether a value names files or contains images, and is not a link or an object that describes one."""
    items = value if isinstance(value, list) else [value]
    return all(
        isinstance(item, (str, bytes, int)) and (is_embedded(item) or not LINK.match(str(item))) for item in items
    )


def _is_caption(key: str, value: Any) -> bool:
    words = words_of(key)
    named = _any(_CAPTION, words) or words == {"objects"} or (_any(_IMAGE, words) and _any(_TEXT, words))
    return named and isinstance(value, (str, list)) and bool(context_text(value))


def _any(pattern: re.Pattern[str], words: Iterable[str]) -> bool:
    return any(map(pattern.fullmatch, words))

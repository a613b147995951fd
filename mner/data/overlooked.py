"""Keys of a record that are not read, although they look like an annotation, an image or a text about one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mner.data.context_texts import context_text
from mner.data.image_names import LINK, split_suffix
from mner.data.lines import Line
from mner.data.spans import looks_like_annotation

# Words in a key that indicate entities, and those that indicate something else.
_ENTITIES = re.compile(
    r"ner|tags?|labels?|entit(y|ies)|ents?|annotations?|spans?|mentions?|bio|iob|bioes|gold|targets?"
)
_OTHER = re.compile(
    r"[ux]?pos|chunk|dep|morph|lemma|lang|language|hash|user|image|img|total|cancelled|other|predict(ed|ions?)|relations?|"
    r"sentiment"
)
# A key of these words only names an image; with other words it may be its size, its labels, somebody's avatar.
_IMAGE = re.compile(r"im(g|age)s?|(im(g|age))(id|name|path|file|url)s?|photos?|pic(ture)?s?|media")
_NAMING = re.compile(r"ids?|paths?|files?|filenames?|names?|ur[il]s?|links?|src|list")
_CAPTION = re.compile(r"captions?|ocr|alt|context")
_TEXT = re.compile(r"texts?|desc(ription)?s?|objects?")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_TWITTER_ENTITIES = frozenset(
    {"hashtags", "urls", "user_mentions", "symbols", "media", "mentions", "cashtags", "polls"}
)


def refuse_overlooked(record: Mapping[str, Any], keys: Iterable[str], line: Line, *, has_image: bool) -> None:
    """Reject keys that are not read but look, by name or by form, as if they should be.

    Args:
        record: The record.
        keys: Its keys that were not read.
        line: Its line.
        has_image: Whether an image was read from another key; without one, links to images are noted.

    Raises:
        FormatError: Names the key.
    """
    for key in sorted(keys):
        value = record[key]
        if is_twitter(value):
            continue
        if _is_annotation(key, value):
            raise line.error(
                f"{key} looks like an annotation, in a form that mner does not read: {value!r:.80}",
                "Write it as tags or entities (see the page on formats), or move it into metadata if it is neither",
            )
        if not has_image and _is_image(key, value):
            if not _is_file(value):
                line.note(f"{key} looks like an image and is not read: images are files in the image folder")
                continue
            raise line.error(
                f"{key} looks like the name of an image, which is read under image or image_id: {value!r:.80}",
                "Rename it to image, or move it into metadata if it is none",
            )
        if _is_caption(key, value):
            raise line.error(
                f"{key} looks like a text about the image, which is read under caption or contexts: {value!r:.80}",
                'Write it as "contexts": {"caption": ...}, or move it into metadata if it is none',
            )


def is_twitter(value: Any) -> bool:
    """Whether a value is Twitter's own ``entities`` of a tweet: its hashtags and links."""
    return isinstance(value, Mapping) and bool(value) and value.keys() <= _TWITTER_ENTITIES


def _is_annotation(key: str, value: Any) -> bool:
    words = _words(key)
    if any(map(_OTHER.fullmatch, words)):
        return False
    if isinstance(value, str):
        if looks_like_annotation(value.split()):
            return True
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return False
    named = any(map(_ENTITIES.fullmatch, words)) and isinstance(value, (list, dict)) and bool(value)
    return named or any(looks_like_annotation(item) or _has_ner(item) for item in _nested(value))


def _has_ner(value: Any) -> bool:
    """Whether an object within a value has an annotation by its name, as the tokens of Stanza and CoreNLP have."""
    return isinstance(value, Mapping) and any(item and "ner" in _words(key) for key, item in value.items())


def _nested(value: Any) -> Iterator[Any]:
    """A value and everything in it, at any depth, except under keys that indicate something else."""
    stack = [value]
    while stack:
        yield (item := stack.pop())
        if isinstance(item, list):
            stack += item
        elif isinstance(item, Mapping):
            stack += [each for key, each in item.items() if not any(map(_OTHER.fullmatch, _words(key)))]


def _is_image(key: str, value: Any) -> bool:
    words = _words(key)
    if any(map(_IMAGE.fullmatch, words)) and all(_IMAGE.fullmatch(word) or _NAMING.fullmatch(word) for word in words):
        return bool(value) and not isinstance(value, (bool, float))
    items = value if isinstance(value, list) else [value]
    files = [isinstance(item, str) and len(item.split()) == 1 and split_suffix(item)[1] for item in items]
    return bool(files) and all(files) and not any(map(_OTHER.fullmatch, words))


def _is_file(value: Any) -> bool:
    """Return whether a value names files, and is not a link, an encoded image or an object that describes one."""
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, (str, int)) and not LINK.match(str(item)) for item in items)


def _is_caption(key: str, value: Any) -> bool:
    words = _words(key)
    named = any(map(_CAPTION.fullmatch, words)) or words == {"objects"}
    named = named or (any(map(_IMAGE.fullmatch, words)) and any(map(_TEXT.fullmatch, words)))
    return named and isinstance(value, (str, list)) and bool(context_text(value))


def _words(key: str) -> set[str]:
    return {word.lower() for word in _WORDS.findall(key)}

"""A JSON object as a post: the paper's own layout, word spans, or raw text with character spans.

Understood are ``id``, ``image_id`` or ``image``, ``tokens`` (or ``words``), ``text``, ``offsets``, ``contexts`` and
``caption``, ``metadata``, and one annotation under ``label``, ``labels``, ``tags``, ``entities``, ``spans`` or
``annotations``: a tag a word, or spans. Any other key is kept in ``Post.metadata``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mner.data.image_names import image_path
from mner.data.lines import Line
from mner.data.raw_text import character_spans, label_studio_task
from mner.data.spans import check_tag, read_spans
from mner.labels import tags_of
from mner.posts import Entity, Post
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post

_TAG_KEYS = ("label", "labels", "tags")
_ANNOTATION_KEYS = (*_TAG_KEYS, "entities", "spans", "annotations")
_WORD_KEYS = ("tokens", "words")
_POST_KEYS = {"id", "image_id", "image", "text", "offsets", "contexts", "caption", "metadata"}
_KNOWN_KEYS = _POST_KEYS.union(_WORD_KEYS, _ANNOTATION_KEYS)


def post_from_record(record: Any, line: Line, images: Path | None = None) -> Post:
    """Make a post of one JSON object.

    Raises:
        FormatError: If it is not an object, has neither words nor text, or one of its values is malformed.
    """
    if not isinstance(record, Mapping):
        raise line.error(f"{record!r:.40}, where a JSON object was expected", 'Write {"tokens": [...], "label": [...]}')
    _refuse_surrogates(record, line)
    if isinstance(record.get("data"), Mapping) and isinstance(record.get("annotations"), list):
        record = label_studio_task(record, line)
    key, annotation = _annotation(record, line)
    word_key = next((name for name in _WORD_KEYS if name in record), None)
    text = _text(record, "text", line)
    if word_key is None and text is not None:
        return _raw_post(text, annotation, record, images, line)
    if word_key is None:
        raise line.error("an object with neither 'tokens' nor 'text'", "Give the post's words or its text")
    words = tuple(_strings(record[word_key], word_key, line))
    tags = None if annotation is None else _tags(annotation, key, len(words), line)
    offsets = _offsets(record.get("offsets"), line)
    if annotation is not None and not words:
        raise line.error("an annotated post with no words", "Give its words, or delete the line")
    if offsets is not None and len(offsets) != len(words):
        raise line.error(f"{len(words)} words and {len(offsets)} offsets", "Give one pair of offsets a word")
    metadata = _metadata(record, line)
    return Post(
        _id(record, line), words, tags, _image(record, images, line), _contexts(record, line), text, offsets, metadata
    )


def _raw_post(text: str, annotation: Any, record: Mapping[str, Any], images: Path | None, line: Line) -> Post:
    spans = None if annotation is None else character_spans(text, annotation, line)
    post = raw_post(
        text,
        TweetTokenizer(),
        spans,
        id=_id(record, line),
        image=_image(record, images, line),
        contexts=_contexts(record, line),
        metadata=_metadata(record, line),
    )
    if annotation is not None and not post.words:
        raise line.error("an annotated post with no words", "Give its words, or delete the line")
    return post


def _metadata(record: Mapping[str, Any], line: Line) -> dict[str, Any]:
    metadata = _object(record, "metadata", line)
    for name in record.keys() - _KNOWN_KEYS:
        _set_once(metadata, name, record[name], line)
    return metadata


def _annotation(record: Mapping[str, Any], line: Line) -> tuple[str | None, Any]:
    given = [key for key in _ANNOTATION_KEYS if record.get(key) is not None]
    if len(given) > 1:
        raise line.error(f"annotations under {' and '.join(given)}", "Keep the one that is right")
    if not given:
        return None, None
    if not isinstance(record[given[0]], list):
        raise line.error(f"{given[0]} is not a list", "Give a tag a word, or a list of spans")
    return given[0], record[given[0]]


def _tags(annotation: list[Any], key: str | None, length: int, line: Line) -> tuple[str, ...]:
    tagged = annotation and isinstance(annotation[0], str)
    if not tagged and (annotation or key not in _TAG_KEYS):
        spans = read_spans(annotation, length, "words", line)
        return tuple(tags_of([Entity(span.type, span.start, span.end) for span in spans], length, "BIO"))
    tags = _strings(annotation, str(key), line)
    if len(tags) != length:
        raise line.error(f"{length} words and {len(tags)} tags", "Give every word one tag")
    for tag in tags:
        check_tag(tag, line)
    return tuple(tags)


def _strings(value: Any, key: str, line: Line) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise line.error(
            f"{key} is {value!r:.60}, where a list of strings was expected", f'Write "{key}": ["...", ...]'
        )
    return value


def _offsets(value: Any, line: Line) -> tuple[tuple[int, int], ...] | None:
    if value is None:
        return None
    try:
        return tuple((int(start), int(end)) for start, end in value)
    except (TypeError, ValueError) as error:
        raise line.error("offsets that are not pairs of numbers", 'Write "offsets": [[0, 2], [3, 8]]') from error


def _id(record: Mapping[str, Any], line: Line) -> str:
    value = record.get("id", line.number)
    if not isinstance(value, (str, int)) or isinstance(value, bool) or value == "":
        raise line.error(f"the id {value!r}", "Write the id as a string or a whole number")
    return str(value)


def _image(record: Mapping[str, Any], images: Path | None, line: Line) -> Path | None:
    name = record["image_id"] if record.get("image_id") is not None else record.get("image")
    if name is None:
        return None
    if not isinstance(name, (str, int)) or isinstance(name, bool):
        raise line.error(f"the image name {name!r}", "Write it as a string")
    name = str(name)
    bare = record.get("image_id") is not None and not Path(name).suffix
    return image_path(f"{name}.jpg" if bare else name, images, line)


def _contexts(record: Mapping[str, Any], line: Line) -> dict[str, str]:
    contexts = _object(record, "contexts", line)
    if record.get("caption") is not None:
        _set_once(contexts, "caption", record["caption"], line)
    for kind, value in contexts.items():
        if not isinstance(value, str):
            raise line.error(f"the context {kind} is {value!r}, no text", "Write contexts as strings")
    return contexts


def _text(record: Mapping[str, Any], key: str, line: Line) -> str | None:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise line.error(f"{key} is {value!r}, no text", f"Write {key} as a string")
    return value


def _object(record: Mapping[str, Any], key: str, line: Line) -> dict[str, Any]:
    value = record.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise line.error(f"{key} is {value!r}, where an object was expected", f'Write "{key}": {{...}}')
    return dict(value or {})


def _set_once(values: dict[str, Any], name: str, value: Any, line: Line) -> None:
    if values.setdefault(name, value) != value:
        raise line.error(f"two values of {name!r}", "Keep the one that is right")


def _refuse_surrogates(record: Any, line: Line) -> None:
    try:
        json.dumps(record, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise line.error(f"half of an emoji ({half!r})", "Delete the half, or restore the other") from error

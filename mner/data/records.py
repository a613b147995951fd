"""From JSON objects to posts: words with tags or spans, or raw text with spans.

The keys are ``id``, ``image_id`` or ``image``, ``tokens`` (or ``words``), ``text``, ``offsets``, ``contexts`` and
``caption``, ``metadata``, and one annotation: a tag per word, or spans (in addition to which ``character_spans`` may
contain the exact bounds of entities that tags widen to whole words). Any other key is kept in ``Post.metadata``, and
rejected if it looks like an annotation. Exports of other programs are converted first, by :mod:`mner.data.exports`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mner.data.annotations import ANNOTATION_KEYS, TAG_KEYS, find_annotation, refuse_overlooked
from mner.data.context_texts import context_text
from mner.data.exports import to_record
from mner.data.image_names import ImageFolder, image_path
from mner.data.lines import Line
from mner.data.offsets import check_offsets, settle_characters, settle_words, spans_over_words
from mner.data.spans import read_spans, read_tag
from mner.labels import tags_of
from mner.posts import CharacterSpan, Entity, Post
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post

_WORD_KEYS = ("tokens", "words")
_POST_KEYS = {"id", "image_id", "image", "text", "offsets", "character_spans", "contexts", "caption", "metadata"}
_KNOWN_KEYS = _POST_KEYS.union(_WORD_KEYS, ANNOTATION_KEYS)


def post_from_record(value: Any, line: Line, images: ImageFolder | None = None, annotator: str | None = None) -> Post:
    """Make a post from one JSON value.

    Args:
        value: The value, an object except for the exports of some programs.
        line: Its line.
        images: The image folder.
        annotator: Whose annotation to read, where there are several.

    Raises:
        FormatError: If it is not an object, has neither words nor text, has an annotation that would be ignored, or
            one of its values is malformed.
    """
    record = to_record(value, line, images, annotator)
    if not isinstance(record, Mapping):
        raise line.error(f"{record!r:.40}, where a JSON object was expected", 'Write {"tokens": [...], "label": [...]}')
    found = find_annotation(record, line)
    word_key = next((name for name in _WORD_KEYS if record.get(name) is not None), None)
    text = _text(record, "text", line)
    metadata = _metadata(record, line)
    common: dict[str, Any] = {"id": _id(record, line), "image": _image(record, images, line)}
    common |= {"contexts": _contexts(record, line), "metadata": metadata}
    if word_key is None and text is None:
        raise line.error(
            f"an object with neither 'tokens' nor 'text' (its keys are {', '.join(map(str, record)) or 'none'})",
            "Give the post's words or its text",
        )
    if word_key is None:
        post = raw_post(text or "", TweetTokenizer(), _character_spans(text or "", found, line), **common)
        if found is not None and not post.words:
            raise line.error("an annotated post with no words", "Give its words, or delete the line")
        return post
    words = tuple(_strings(record[word_key], word_key, line))
    if found is not None and not words:
        raise line.error("an annotated post with no words", "Give its words, or delete the line")
    offsets = _offsets(record.get("offsets"), len(words), line)
    if offsets is not None and text is not None:
        check_offsets(words, text, offsets, line)
    tags = None if found is None else _tags(*found, words, text, offsets, line)
    exact = record.get("character_spans")
    spans = _character_spans(text or "", None if exact is None else ("character_spans", exact), line)
    return Post(words=words, tags=tags, text=text, offsets=offsets, spans=spans, **common)


def _character_spans(text: str, found: tuple[str, list[Any]] | None, line: Line) -> tuple[CharacterSpan, ...] | None:
    """Read the gold entities of a raw text."""
    if found is None:
        return None
    key, items = found
    if items and all(isinstance(item, str) for item in items):
        raise line.error(f"{key} has {len(items)} word tags, but there are no words", "Give the words as 'tokens'")
    return tuple((span.start, span.end, span.type) for span in settle_characters(text, read_spans(items, line), line))


def _tags(
    key: str,
    items: list[Any],
    words: Sequence[str],
    text: str | None,
    offsets: Sequence[tuple[int, int]] | None,
    line: Line,
) -> tuple[str, ...]:
    if (items and isinstance(items[0], str)) or (not items and key in TAG_KEYS):
        tags = _strings(items, key, line)
        if len(tags) != len(words):
            raise line.error(f"{len(words)} words and {len(tags)} tags", "Give every word one tag")
        return tuple(read_tag(tag, line) for tag in tags)
    if key == "ner":
        raise line.error(
            f"ner is {items!r:.80}: it is ambiguous whether the ends of these spans are inclusive",
            'Write "entities": [[start, end, type]] with exclusive ends, or "tokenized_text" and "ner" as GLiNER does',
        )
    spans = read_spans(items, line)
    if text is not None:
        spans = spans_over_words(words, text, offsets, spans, line)
    elif any(span.unit == "characters" for span in spans):
        raise line.error("character spans without the text", "Give the post's 'text'")
    else:
        spans = settle_words(words, spans, line)
    return tuple(tags_of([Entity(span.type, span.start, span.end) for span in spans], len(words), "BIO"))


def _metadata(record: Mapping[str, Any], line: Line) -> dict[str, Any]:
    metadata = _object(record, "metadata", line)
    others = record.keys() - _KNOWN_KEYS
    if "predicted" in others:  # predictions of mner: gold repeats the tags
        others -= {"gold"}
    refuse_overlooked(record, others, line)
    if isinstance(record.get("entities"), Mapping):
        others |= {"entities"}
    for name in sorted(others):
        _set_once(metadata, name, record[name], line)
    return metadata


def _strings(value: Any, key: str, line: Line) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise line.error(
            f"{key} is {value!r:.60}, where a list of strings was expected", f'Write "{key}": ["...", ...]'
        )
    return value


def _offsets(value: Any, length: int, line: Line) -> tuple[tuple[int, int], ...] | None:
    if value is None:
        return None
    try:
        offsets = tuple((start, end) for start, end in value)
    except (TypeError, ValueError):
        offsets = None
    if offsets is None or not all(type(place) is int for pair in offsets for place in pair):
        raise line.error("offsets that are not pairs of numbers", 'Write "offsets": [[0, 2], [3, 8]]')
    if len(offsets) != length:
        raise line.error(f"{length} words and {len(offsets)} offsets", "Give one pair of offsets per word")
    for start, end in offsets:
        if not 0 <= start <= end:
            raise line.error(f"the offsets {start}-{end}", "Give the start of each word, from 0, and its end")
    return offsets


def _id(record: Mapping[str, Any], line: Line) -> str:
    value = record.get("id")
    value = line.number if value is None else value
    if not isinstance(value, (str, int)) or isinstance(value, bool) or value == "":
        raise line.error(f"the id {value!r}", "Write the id as a string or a whole number")
    return str(value)


def _image(record: Mapping[str, Any], images: ImageFolder | None, line: Line) -> Path | None:
    name = record["image_id"] if record.get("image_id") is not None else record.get("image")
    if name is None:
        return None
    if not isinstance(name, (str, int)) or isinstance(name, bool):
        raise line.error(f"the image name {name!r}", "Write it as a string")
    return image_path(str(name), images, line, is_id=record.get("image_id") is not None)


def _contexts(record: Mapping[str, Any], line: Line) -> dict[str, str]:
    contexts = _object(record, "contexts", line)
    if record.get("caption") is not None:
        _set_once(contexts, "caption", record["caption"], line)
    texts = {}
    for kind, value in contexts.items():
        text = context_text(value)
        if text is None:
            raise line.error(f"the context {kind} is {value!r}, not a text", "Write contexts as strings")
        texts[kind] = text
    return {kind: text for kind, text in texts.items() if text}


def _text(record: Mapping[str, Any], key: str, line: Line) -> str | None:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise line.error(f"{key} is {value!r:.60}, not a text", f"Write {key} as a string")
    return value


def _object(record: Mapping[str, Any], key: str, line: Line) -> dict[str, Any]:
    value = record.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise line.error(f"{key} is {value!r:.60}, where an object was expected", f'Write "{key}": {{...}}')
    return dict(value or {})


def _set_once(values: dict[str, Any], name: str, value: Any, line: Line) -> None:
    found = values.setdefault(name, value)
    if found is not value and found != value:
        raise line.error(f"two values of {name!r}", "Keep the correct one")

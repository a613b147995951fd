"""From JSON objects to posts: words with tags or spans, or raw text with spans.

The keys are ``id``, ``image_id``, ``image`` or ``images``, ``tokens`` (or ``words``), ``text``, ``offsets``,
``contexts`` and ``caption``, ``metadata``, and one annotation: a tag per word, or spans (in addition to which
``character_spans`` may contain the exact bounds of entities that tags widen to whole words). Any other key is kept in
``Post.metadata``, and rejected by :mod:`mner.data.overlooked` if it should have been read. Exports of other programs
are converted first, by :mod:`mner.data.exports`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mner.data.annotations import ANNOTATION_KEYS, TAG_KEYS, find_annotation
from mner.data.context_texts import context_text
from mner.data.exports import to_record
from mner.data.fields import set_once
from mner.data.image_names import ImageFolder, image_path, spelling, split_suffix
from mner.data.lines import Line
from mner.data.offsets import align_words, check_offsets, settle_characters, settle_words, spans_over_words
from mner.data.overlooked import refuse_overlooked
from mner.data.spans import read_spans, read_tag
from mner.labels import spans as spans_of
from mner.labels import tags_of
from mner.posts import CharacterSpan, Entity, Post
from mner.span_alignment import align_spans, contradiction
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post

_WORD_KEYS = ("tokens", "words")
_IMAGE_KEYS = ("image_id", "image", "images")
_POST_KEYS = ("id", "text", "offsets", "character_spans", "contexts", "caption", "metadata")
_KNOWN_KEYS = {*_IMAGE_KEYS, *_WORD_KEYS, *_POST_KEYS, *ANNOTATION_KEYS}


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
    given_words: dict[str, Any] = {}
    for name in _WORD_KEYS:
        if record.get(name) is not None:
            set_once(given_words, "tokens", record[name], line)
    text = _text(record, "text", line)
    image = _image(record, images, line)
    common: dict[str, Any] = {"id": _id(record, line), "image": image, "contexts": _contexts(record, line)}
    common["metadata"] = _metadata(record, line, has_image=image is not None)
    exact = None if record.get("character_spans") is None else ("character_spans", record["character_spans"])
    if not given_words and text is None:
        raise line.error(
            f"an object with neither 'tokens' nor 'text' (its keys are {', '.join(map(str, record)) or 'none'})",
            "Give the post's words or its text",
        )
    if not given_words:
        spans = _character_spans(text or "", found or exact, line)
        if found and exact and spans != _character_spans(text or "", exact, line):
            raise line.error(f"{found[0]} and character_spans give different entities", "Keep the correct ones")
        post = raw_post(text or "", TweetTokenizer(), spans, **common)
        if spans is not None and not post.words:
            raise line.error("an annotated post with no words", "Give its words, or delete the line")
        return post
    words = tuple(_strings(given_words["tokens"], "tokens", line))
    if (found or exact) is not None and not words:
        raise line.error("an annotated post with no words", "Give its words, or delete the line")
    offsets = _offsets(record.get("offsets"), len(words), line)
    if offsets is not None and text is not None:
        check_offsets(words, text, offsets, line)
    tags = None if found is None else _tags(*found, words, text, offsets, line)
    if "predicted" in record and tags is not None:
        _check_gold(record.get("gold"), words, tags, line)
    if exact is None:
        return Post(words=words, tags=tags, text=text, offsets=offsets, **common)
    if text is None:
        raise line.error("character_spans without the text", "Give the post's 'text'")
    spans = _character_spans(text, exact, line) or ()
    places = align_words(words, text) if offsets is None else offsets
    if places is None:
        raise line.error("the words are not those of the text", "Delete one of the two, or give the words' offsets")
    if tags is None:
        tags = tuple(tags_of(align_spans(text, places, spans).entities, len(words)))
    elif (contradicting := contradiction(tags, text, places, spans)) is not None:
        raise line.error(contradicting, "Keep the correct annotation")
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


def _check_gold(gold: Any, words: Sequence[str], tags: Sequence[str], line: Line) -> None:
    """Check that the gold entities in predictions of mner, which repeat the tags, do not contradict them."""
    if gold is None:
        return
    spans = settle_words(words, read_spans(gold if isinstance(gold, list) else [gold], line), line)
    if {(span.type, span.start, span.end) for span in spans} != {entity.span for entity in spans_of(tags)}:
        raise line.error("gold and tags give different entities", "Keep the correct ones")


def _metadata(record: Mapping[str, Any], line: Line, *, has_image: bool) -> dict[str, Any]:
    metadata = _object(record, "metadata", line)
    others = record.keys() - _KNOWN_KEYS
    if "predicted" in others:
        others -= {"gold"}
    refuse_overlooked(record, others, line, has_image=has_image)
    if isinstance(record.get("entities"), Mapping):
        others |= {"entities"}
    if isinstance(record.get("images"), list) and len(record["images"]) > 1:
        others |= {"images"}
    for name in sorted(others):
        set_once(metadata, name, record[name], line)
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
    names = {key: record[key] for key in ("image", "image_id") if record.get(key) is not None}
    several = record.get("images")
    if several and not names:
        if not isinstance(several, list):
            raise line.error(f"images is {several!r:.60}, where a list was expected", 'Write "image": "33.jpg"')
        names = {"image": several[0]}
        if len(several) > 1:
            line.note("of several images of a post only the first is used")
    for name in names.values():
        if not isinstance(name, (str, int)) or isinstance(name, bool):
            raise line.error(f"the image name {name!r:.80}", "Write it as a string")
    if len(names) > 1 and not _may_be_one_image(*map(str, names.values())):
        raise line.error(
            f"two images, image {names['image']!r} and image_id {names['image_id']!r}", "Keep the correct one"
        )
    # The name says more than the id, which may lack folder and suffix.
    return next((image_path(str(name), images, line, is_id=key == "image_id") for key, name in names.items()), None)


def _may_be_one_image(name: str, image_id: str) -> bool:
    """Whether the name of an image and its id, which may lack folder and suffix, do not contradict each other."""
    files = [spelling(each).rpartition("/")[2] for each in (name, image_id)]
    stems = [split_suffix(file)[0] for file in files]
    return files[0] == files[1] or (stems[0] == stems[1] and stems[0] in files)


def _contexts(record: Mapping[str, Any], line: Line) -> dict[str, str]:
    contexts = _object(record, "contexts", line)
    if record.get("caption") is not None:
        set_once(contexts, "caption", record["caption"], line)
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

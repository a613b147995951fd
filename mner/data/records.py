"""From JSON objects to posts: words with tags or spans, or raw text with spans.

The keys are ``id``, ``image_id``, ``image`` or ``images``, ``tokens`` (or ``words``), ``text``, ``offsets``,
``contexts`` and ``caption``, ``metadata``, and one annotation: a tag per word, or spans (in addition to which
``character_spans`` may contain the exact bounds of entities that tags widen to whole words). Any other key is kept in
``Post.metadata``, and rejected by :mod:`mner.data.overlooked` if it should have been read. Exports of other programs
are converted first, by :mod:`mner.data.exports`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from mner.boxes import gold_entities
from mner.data.annotations import ANNOTATION_KEYS, TAG_KEYS, find_annotations
from mner.data.context_texts import context_text
from mner.data.entity_boxes import read_entity_boxes
from mner.data.exports import to_record
from mner.data.extent import Extent
from mner.data.fields import object_of, set_once, whole
from mner.data.gold import Gold, read_gold, strings_of
from mner.data.image_names import ImageFolder, image_path, spelling, split_names, split_suffix
from mner.data.lines import LEFT_OUT, Line
from mner.data.literals import decoded
from mner.data.overlooked import note_linked_images, refuse_overlooked, refuse_scattered
from mner.data.span_forms import is_marked
from mner.data.spans import is_plain_tag
from mner.data.whole_tables import refuse_whole_table
from mner.data.words_in_text import check_offsets, check_words
from mner.errors import DataError, FormatError
from mner.posts import Boxes, Post
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post

_WORD_KEYS = frozenset({"tokens", "words"})
_IMAGE_KEYS = ("images", "image", "image_id")
_POST_KEYS = ("id", "text", "offsets", "character_spans", "entity_boxes", "contexts", "caption", "metadata")
_KNOWN_KEYS = {*_IMAGE_KEYS, *_WORD_KEYS, *_POST_KEYS, *ANNOTATION_KEYS}
_NAME_KEYS = frozenset({"id", "image", "image_id"})
_TAGGED_KEYS = _NAME_KEYS | _WORD_KEYS | {*TAG_KEYS}
_STRING, _NAMES = frozenset({str}), frozenset({str, int, type(None)})


def post_from_record(value: Any, line: Line, images: ImageFolder | None = None, annotator: str | None = None) -> Post:
    """Make a post from one JSON value.

    Args:
        value: The value, an object except for the exports of some programs; a string is the text of a post.
        line: Its line.
        images: The image folder.
        annotator: Whose annotation to read, where there are several.

    Raises:
        FormatError: If it is not an object, has neither words nor text, has an annotation that would be ignored, or
            one of its values is malformed. Where posts are only tagged, annotations are noted instead.
    """
    if (tagged := tagged_words(value, line, images)) is not None:
        return tagged
    record = {"text": value} if isinstance(value, str) else to_record(value, line, images, annotator)
    if not isinstance(record, dict):
        raise line.error(f"{record!r:.40}, where a JSON object was expected", 'Write {"tokens": [...], "label": [...]}')
    refuse_whole_table(record, line)
    words, text = _words(record, line), _text(record, line)
    if words is None and text is None:
        if empty := [key for key in ("tokens", "words", "text") if key in record]:
            raise line.error(f"{empty[0]} is missing (null)", "Give it, or delete the post")
        raise line.error(
            f"an object with neither 'tokens' nor 'text' (its keys are {', '.join(map(str, record)) or 'none'})",
            "Give the post's words or its text, or name the key that has them: columns={'text': ...} in Python, "
            "--columns text=KEY",
        )
    offsets = None if words is None else _offsets(record.get("offsets"), len(words), line)
    if words is not None and text is not None:
        if offsets is None:
            check_words(words, text, line)
        else:
            check_offsets(words, text, offsets, line)
    extent = Extent(words, text)
    gold, others, annotations = Gold(), set[str](), dict[str, list[Any]]()
    try:
        annotations, others = find_annotations(record, extent, line)
        gold = read_gold(record, annotations, words, text, offsets, line)
    except FormatError as error:
        if not line.notes.lenient:
            raise
        line.note(LEFT_OUT, error.found)
    if words is None and not annotations and is_marked(text or ""):
        line.note("the text has entities marked in it, which are not read as its annotation")
    named = _images(record, images, line)
    image = named[0] if named else None
    common: dict[str, Any] = {"id": _id(record, line), "image": image, "contexts": _contexts(record, line)}
    common["more_images"] = tuple(named[1:])
    common["metadata"] = _metadata(record, others, extent, line, has_image=image is not None)
    if words is None:
        post = raw_post(text or "", TweetTokenizer(), gold.spans, **common)
        if post.tags == () and not line.notes.lenient:
            raise line.error("an annotated post with no words", "Give its words, or delete the line")
    else:
        post = Post(words=words, tags=gold.tags, text=text, offsets=offsets, spans=gold.spans, **common)
    try:
        boxes = read_entity_boxes(record, gold.units, image, line)
        return post if boxes is None else _with_boxes(post, boxes, gold, line)
    except FormatError as error:
        if not line.notes.lenient:
            raise
        line.note("boxes of entities are left out, because they cannot be read", error.found)
        return post


def tagged_words(value: Any, line: Line, images: ImageFolder | None) -> Post | None:
    """Make a post of a record that has no other keys than words, a tag for each of them, an id and an image.

    Large files consist of such records. The result is that of :func:`post_from_record`, in a third of the time.

    Returns:
        The post, or ``None`` for any other record, right or wrong.
    """
    if type(value) is not dict or not value.keys() <= _TAGGED_KEYS:
        return None
    several, named = value.keys() - _NAME_KEYS, value.keys() & _NAME_KEYS
    word_keys, tag_keys = several & _WORD_KEYS, several - _WORD_KEYS
    if len(word_keys) != 1 or len(tag_keys) != 1 or not all(type(value[key]) in _NAMES for key in named):
        return None
    words, tags = value[word_keys.pop()], value[tag_keys.pop()]
    if type(words) is not list or type(tags) is not list or not 0 < len(words) == len(tags):
        return None
    if not _STRING.issuperset(map(type, chain(words, tags))) or not all(map(is_plain_tag, {*tags})):
        return None
    found = _images(value, images, line) if named - {"id"} else ()
    return Post(_id(value, line), tuple(words), tuple(tags), found[0] if found else None, more_images=tuple(found[1:]))


def _with_boxes(post: Post, boxes: Boxes, gold: Gold, line: Line) -> Post:
    offsets = gold.offsets if post.offsets is None and gold.offsets is not None else post.offsets
    try:
        post = replace(post, boxes=boxes, offsets=None if offsets is None else tuple(offsets))
        gold_entities(post)
    except DataError as error:
        raise line.error(f"{error}", "Give the boxes of entities, with their bounds") from error
    return post


def _metadata(
    record: Mapping[str, Any], others: set[str], extent: Extent, line: Line, *, has_image: bool
) -> dict[str, Any]:
    metadata = object_of(record, "metadata", line)
    unknown = record.keys() - _KNOWN_KEYS
    if "predicted" in unknown:
        unknown -= {"gold"}
    refuse_overlooked(record, unknown, line, extent, has_image=has_image)
    if not has_image:
        note_linked_images(record, others, line)
    others = others | unknown
    refuse_scattered(record, others, line, extent)
    for name in sorted(others):
        set_once(metadata, name, record[name], line)
    return metadata


def _words(record: Mapping[str, Any], line: Line) -> tuple[str, ...] | None:
    given: dict[str, Any] = {}
    for name in ("tokens", "words"):
        if record.get(name) is not None:
            set_once(given, "tokens", decoded(record[name]), line)
    return tuple(strings_of(given["tokens"], "tokens", line)) if given else None


def _offsets(value: Any, length: int, line: Line) -> tuple[tuple[int, int], ...] | None:
    value = decoded(value)
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
    value = line.number if record.get("id") is None else whole(record["id"])
    if not isinstance(value, (str, int)) or isinstance(value, bool) or value == "":
        raise line.error(f"the id {value!r}", "Write the id as a string or a whole number")
    return str(value)


def _images(record: Mapping[str, Any], images: ImageFolder | None, line: Line) -> list[Path]:
    filled = {
        key: _split_images(key, value, images, line)
        for key in _IMAGE_KEYS
        if (value := decoded(record.get(key))) is not None
    }
    lists = {key: value for key, value in filled.items() if isinstance(value, list)}
    names = {key: record[key] for key in filled if key not in lists}
    if "images" in names:
        raise line.error(f"images is {names['images']!r:.60}, where a list was expected", 'Write "image": "33.jpg"')
    names = {key: whole(name) for key, name in names.items()}
    for name in chain(names.values(), *lists.values()):
        if not isinstance(name, (str, int)) or isinstance(name, bool):
            remedy = "Write it as a string; an image itself may be bytes, base64 or an array of uint8"
            raise line.error(f"the image name {name!r:.80}", remedy)
    if len(names) > 1 and not _may_be_one_image(*map(str, names.values())):
        raise line.error(
            f"two images, image {names['image']!r} and image_id {names['image_id']!r}", "Keep the correct one"
        )
    # The name says more than the id, which may lack folder and suffix.
    given = [(str(name), key == "image_id") for key, name in names.items()][:1]
    key, several = next(iter(lists.items()), ("images", []))
    for other in lists.values():
        if len(other) != len(several) or not all(map(_may_be_one_image, map(str, several), map(str, other))):
            raise line.error(f"different images, {several!r:.60} and {other!r:.60}", "Keep the correct list")
    if several:
        if given and not any(_may_be_one_image(str(name), given[0][0]) for name in several):
            raise line.error(
                f"the image {given[0][0]!r}, which is not among the images {several!r:.80}", "Give images only"
            )
        given = [(str(name), key == "image_id") for name in several]
    paths = [image_path(name, images, line, is_id=is_id) for name, is_id in given]
    return [path for path in paths if path is not None]


def _split_images(key: str, value: Any, images: ImageFolder | None, line: Line) -> Any:
    names = split_names(value) if isinstance(value, str) else []
    if key == "image_id" and len(names) == 1 and images is not None:
        names = images.split_ids(value)
    if len(names) < 2 or (images is not None and value in images):
        return value
    line.note("a string of several image names is read as their list", value)
    return names


def _may_be_one_image(name: str, image_id: str) -> bool:
    """Whether the name of an image and its id, which may lack folder and suffix, do not contradict each other."""
    files = [spelling(each).rpartition("/")[2] for each in (name, image_id)]
    stems = [split_suffix(file)[0] for file in files]
    return files[0] == files[1] or (stems[0] == stems[1] and stems[0] in files)


def _contexts(record: Mapping[str, Any], line: Line) -> dict[str, str]:
    contexts = object_of(record, "contexts", line)
    if record.get("caption") is not None:
        set_once(contexts, "caption", record["caption"], line)
    texts = {}
    for kind, value in contexts.items():
        text = context_text(value)
        if text is None:
            raise line.error(f"the context {kind} is {value!r}, not a text", "Write contexts as strings")
        texts[kind] = text
    return {kind: text for kind, text in texts.items() if text}


def _text(record: Mapping[str, Any], line: Line) -> str | None:
    value = record.get("text")
    if value is not None and not isinstance(value, str):
        raise line.error(f"text is {value!r:.60}, not a text", "Write text as a string")
    return value

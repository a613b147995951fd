"""Finding the annotation among the keys of a record, and rejecting annotations that would be ignored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from mner.data.lines import Line
from mner.data.spans import looks_like_annotation

TAG_KEYS = ("label", "labels", "tags", "ner_tags", "ner")
ANNOTATION_KEYS = (*TAG_KEYS, "entities", "spans", "ents", "annotations")

# Words in a key that indicate entities, and those that indicate something else.
_PROMISING = re.compile(
    r"ner|tags?|labels?|entit(y|ies)|ents?|annotations?|spans?|mentions?|bio|iob|bioes|gold|targets?"
)
_OTHER = re.compile(
    r"[ux]?pos|chunk|dep|morph|lemma|lang|language|hash|user|image|img|total|cancelled|other|predict(ed|ions?)|relations?|"
    r"sentiment"
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_TWITTER_ENTITIES = frozenset(
    {"hashtags", "urls", "user_mentions", "symbols", "media", "mentions", "cashtags", "polls"}
)


def find_annotation(record: Mapping[str, Any], line: Line) -> tuple[str, list[Any]] | None:
    """Find the annotation of a record and its key; ``None`` if the record has none.

    Raises:
        FormatError: If there are several, or one that is neither tags nor spans.
    """
    given = [key for key in ANNOTATION_KEYS if record.get(key) is not None and not _is_twitter(record[key])]
    if len(given) > 1:
        raise line.error(f"annotations under {' and '.join(given)}", "Keep the correct one")
    if not given:
        return None
    key, value = given[0], record[given[0]]
    if not isinstance(value, list):
        raise line.error(
            f"{key} is not a list: {value!r:.60}",
            f"Give one tag per word, or a list of spans; if {key} does not annotate entities, move it into metadata",
        )
    if any(type(item) in (int, float) for item in value):
        raise line.error(
            f"{key} contains class indices: {value!r:.60}",
            "Write class names: with Hugging Face datasets, dataset.features[...].feature.int2str",
        )
    return key, value


def refuse_overlooked(record: Mapping[str, Any], keys: Iterable[str], line: Line) -> None:
    """Reject keys that are not read but look like an annotation of entities, by name or by form.

    Args:
        record: The record.
        keys: Its keys that were not read.
        line: Its line.

    Raises:
        FormatError: Names the key.
    """
    for key in sorted(keys):
        if _is_overlooked(key, record[key]) and not _is_twitter(record[key]):
            raise line.error(
                f"{key} looks like an annotation, in a form that mner does not read: {record[key]!r:.80}",
                "Write it as tags or entities (see the page on formats), or move it into metadata if it is neither",
            )


def _is_overlooked(key: str, value: Any) -> bool:
    words = {word.lower() for word in _WORDS.findall(key)}
    if any(map(_OTHER.fullmatch, words)):
        return False
    if isinstance(value, str):
        if looks_like_annotation(value.split()):
            return True
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return False
    return looks_like_annotation(value) or (
        any(map(_PROMISING.fullmatch, words)) and isinstance(value, (list, dict)) and bool(value)
    )


def _is_twitter(value: Any) -> bool:
    """Whether a value is Twitter's own ``entities`` of a tweet: its hashtags and links."""
    return isinstance(value, Mapping) and bool(value) and value.keys() <= _TWITTER_ENTITIES

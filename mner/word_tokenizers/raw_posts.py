"""Raw text to posts: a word tokenizer alone makes the words, and gold spans are aligned to them afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mner.labels import tags_of
from mner.posts import CharacterSpan, Entity, Post
from mner.word_tokenizers.base import WordTokenizer


@dataclass(frozen=True, slots=True)
class Alignment:
    """Gold character spans aligned to words.

    Args:
        entities: The entities, in order, without overlap.
        widened: Spans that do not start and end at word borders, so that their entity covers whole words.
        lost: Spans without an entity, since they share a word with an earlier span or cover no word.
    """

    entities: tuple[Entity, ...]
    widened: tuple[CharacterSpan, ...]
    lost: tuple[CharacterSpan, ...]


def raw_post(text: str, tokenizer: WordTokenizer, spans: Sequence[CharacterSpan] | None = None, **fields: Any) -> Post:
    """Make a post from raw text.

    Args:
        text: The text.
        tokenizer: Splits it into words.
        spans: Gold entities as character spans; ``None`` where the text is not annotated.
        fields: The post's other fields, ``id`` among them.
    """
    offsets = tuple(tokenizer.offsets(text))
    tags = None
    if spans is not None:
        tags = tuple(tags_of(align_spans(text, offsets, spans).entities, len(offsets)))
    words = tuple(text[start:end] for start, end in offsets)
    return Post(
        words=words,
        tags=tags,
        text=text,
        offsets=offsets,
        spans=None if spans is None else tuple(spans),
        is_raw=True,
        **fields,
    )


def tokenize_post(post: Post, tokenizer: WordTokenizer) -> Post:
    """Split a raw post into a model's own words; a post whose words are given is returned unchanged.

    Args:
        post: Any post.
        tokenizer: The model's word tokenizer.

    Returns:
        The post, no longer marked as raw.
    """
    if not post.is_raw or post.text is None:
        return post
    fields = {"id": post.id, "image": post.image, "contexts": post.contexts, "metadata": post.metadata}
    return replace(raw_post(post.text, tokenizer, post.spans, **fields), is_raw=False)


def align_spans(text: str, offsets: Sequence[tuple[int, int]], spans: Sequence[CharacterSpan]) -> Alignment:
    """Snap gold spans outwards to word borders.

    Args:
        text: The raw text.
        offsets: Character offsets of its words, in order.
        spans: Gold spans ``(start, end, type)`` that do not overlap.
    """
    entities: list[Entity] = []
    widened, lost = [], []
    free = 0  # the first word that no entity covers yet
    for start, end, kind in sorted(spans):
        inside = [index for index, (left, right) in enumerate(offsets) if left < end and right > start]
        if not inside or inside[0] < free:
            lost.append((start, end, kind))
            continue
        first, last = inside[0], inside[-1]
        free = last + 1
        entities.append(Entity(kind, first, free))
        if text[start:end].strip() != text[offsets[first][0] : offsets[last][1]].strip():
            widened.append((start, end, kind))
    return Alignment(tuple(entities), tuple(widened), tuple(lost))

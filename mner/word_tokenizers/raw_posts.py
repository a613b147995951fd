"""Raw text to posts: a word tokenizer alone makes the words, and gold spans are aligned to them afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mner.labels import tags_of
from mner.posts import CharacterSpan, Post
from mner.span_alignment import align_spans
from mner.word_tokenizers.base import WordTokenizer


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
    again = raw_post(post.text, tokenizer, post.spans, id=post.id)
    return replace(post, words=again.words, tags=again.tags, offsets=again.offsets, is_raw=False)

"""Options of a subword tokenizer, which an exported model keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mner.argument_types import check_types


@dataclass(frozen=True)
class SubwordOptions:
    """How a :class:`~mner.text.subwords.SubwordTokenizer` turns words into the rows that an encoder reads.

    Args:
        max_length: Maximum number of subwords that the encoder reads, special tokens included.
        unknown_id: Id of the token that replaces a word without subwords.
        separator_id: Id of the token between two contexts.
        padding_id: Id of the padding.
        word_prefix: Precedes each word in the tokenizer: a space where that is part of a word's first subword (see
            :func:`mner.text.subword_factory.word_prefix`).
        pooling: ``mean`` keeps all subwords of a word, ``first`` only its first.
        on_long_post: ``window``, or ``error`` to refuse posts that do not fit.
        contexts_first: Put the contexts before the post.
        num_subwords: Ids from this number on are read as the unknown token; ``None`` if there are none.
        normalize_tweets: Read mentions, links and emoji in BERTweet's normal form.

    Raises:
        ConfigurationError: If a value is of another type.
    """

    max_length: int
    unknown_id: int
    separator_id: int
    padding_id: int
    word_prefix: str = ""
    pooling: Literal["mean", "first"] = "mean"
    on_long_post: Literal["window", "error"] = "window"
    contexts_first: bool = False
    num_subwords: int | None = None
    normalize_tweets: bool = False

    def __post_init__(self) -> None:
        """Check the types: the options of an exported model come from a file."""
        check_types(type(self), vars(self))

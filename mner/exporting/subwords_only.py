"""What an exported model keeps of its text encoder: the subword tokenizer."""

from __future__ import annotations

from typing import Any, Literal

from tokenizers import Tokenizer

from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.errors import ConfigurationError
from mner.text.encoder import TextEncoder
from mner.text.subwords import SubwordTokenizer


class SubwordsOnly(TextEncoder):
    """A text encoder whose network is elsewhere, in a graph.

    Args:
        tokenizer: The tokenizer as JSON; this and the other arguments are those of
            :class:`~mner.text.subwords.SubwordTokenizer`.
        hidden_size: Width of a word in the network, D.
        max_length: Maximum number of subwords per row.
        unknown_id: Id of the token that replaces a word without subwords.
        separator_id: Id of the token between two contexts.
        padding_id: Id of the padding.
        word_prefix: Precedes each word in the tokenizer.
        pooling: ``mean`` or ``first``.
        on_long_post: ``window`` or ``error``.
        contexts_first: Put the contexts before the post.
        num_subwords: Ids from this number on are read as the unknown token.
        normalize_tweets: Read mentions, links and emoji in BERTweet's normal form.
    """

    def __init__(
        self,
        tokenizer: str,
        hidden_size: int,
        max_length: int,
        unknown_id: int,
        separator_id: int,
        padding_id: int,
        word_prefix: str = "",
        pooling: Literal["mean", "first"] = "mean",
        on_long_post: Literal["window", "error"] = "window",
        contexts_first: bool = False,
        num_subwords: int | None = None,
        normalize_tweets: bool = False,
    ) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.subword_tokenizer = SubwordTokenizer(
            Tokenizer.from_str(tokenizer),
            max_length,
            unknown_id,
            separator_id,
            padding_id,
            word_prefix,
            pooling,
            on_long_post,
            contexts_first,
            num_subwords,
            normalize_tweets,
        )

    @classmethod
    def of(cls, encoder: TextEncoder) -> SubwordsOnly:
        """Keep the tokenizer of an encoder.

        Raises:
            ConfigurationError: If it has a tokenizer of its own class.
        """
        given = encoder.subword_tokenizer
        if type(given) is not SubwordTokenizer:
            raise ConfigurationError(
                f"{type(encoder).__name__} cannot be exported: its tokenizer, a {type(given).__name__}, is Python "
                "code, which a graph does not contain; tag with PyTorch"
            )
        names = (
            *("max_length", "unknown_id", "separator_id", "padding_id", "word_prefix", "pooling", "on_long_post"),
            *("contexts_first", "num_subwords", "normalize_tweets"),
        )
        arguments: dict[str, Any] = {name: getattr(given, name) for name in names}
        return cls(given.tokenizer.to_str(), encoder.hidden_size, **arguments)

    def forward(self, batch: Batch, image: ImageFeatures | None = None) -> TextFeatures:
        """Refuse: the network is in a graph.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError("an exported model computes emissions, not word vectors; use the checkpoint")

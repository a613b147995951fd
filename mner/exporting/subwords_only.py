"""What an exported model keeps of its text encoder: the subword tokenizer."""

from __future__ import annotations

from collections.abc import Mapping

from tokenizers import Tokenizer

from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.errors import ConfigurationError
from mner.text.encoder import TextEncoder
from mner.text.subword_options import SubwordOptions
from mner.text.subwords import SubwordTokenizer


class SubwordsOnly(TextEncoder):
    """A text encoder whose network is elsewhere, in a graph.

    Args:
        tokenizer: The tokenizer as JSON.
        subwords: The options of the :class:`~mner.text.subwords.SubwordTokenizer`.
        hidden_size: Width of a word in the network, D.
    """

    def __init__(self, tokenizer: str, subwords: SubwordOptions, hidden_size: int) -> None:
        super().__init__()
        # A mapping if it comes from an exported model.
        options = SubwordOptions(**subwords) if isinstance(subwords, Mapping) else subwords
        self.subword_tokenizer = SubwordTokenizer(Tokenizer.from_str(tokenizer), options)
        self.hidden_size = hidden_size

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
        return cls(given.tokenizer.to_str(), given.options, encoder.hidden_size)

    def forward(self, batch: Batch, image: ImageFeatures | None = None) -> TextFeatures:
        """Refuse: the network is in a graph.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError("an exported model computes emissions, not word vectors; use the checkpoint")

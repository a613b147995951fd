"""Word tokenizers: raw text to words, in the tokenisation of a model's training data."""

from mner.word_tokenizers.base import WordTokenizer
from mner.word_tokenizers.per_character import CharacterTokenizer
from mner.word_tokenizers.spacy_rules import SpacyTokenizer
from mner.word_tokenizers.tweet import TweetTokenizer
from mner.word_tokenizers.whitespace import WhitespaceTokenizer

__all__ = ["CharacterTokenizer", "SpacyTokenizer", "TweetTokenizer", "WhitespaceTokenizer", "WordTokenizer"]

"""spaCy's rule-based tokenizer of a language as a word tokenizer."""

from __future__ import annotations

import re
from typing import Any

from mner.errors import ConfigurationError
from mner.extras import extra
from mner.word_tokenizers.base import WordTokenizer
from mner.word_tokenizers.characters import is_invisible


class SpacyTokenizer(WordTokenizer):
    """The tokenizer of ``spacy.blank(language)``, which is also that of spaCy's trained pipelines of the language.

    Args:
        language: spaCy's language code, for example ``"en"``, ``"de"`` or ``"xx"``. Nothing but a code is accepted: a
            checkpoint that names a tokenizer must not import a package of its choice.

    Raises:
        ConfigurationError: If the language is unknown to spaCy, or spaCy is not installed.
    """

    def __init__(self, language: str = "en") -> None:
        if not re.fullmatch(r"[a-z]{2,3}", language):
            raise ConfigurationError(f'expected a spaCy language code such as "en", got {language!r}')
        self.language = language
        self._tokenizer = _load(language)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Locate the words of a text; see :meth:`WordTokenizer.offsets`."""
        return [(token.idx, token.idx + len(token)) for token in self._tokenizer(text) if not is_invisible(token.text)]

    def __reduce__(self) -> tuple[type[SpacyTokenizer], tuple[str]]:
        """Pickle by language: every process builds the tokenizer again."""
        return type(self), (self.language,)


def _load(language: str) -> Any:
    with extra("spacy", "SpacyTokenizer"):
        import spacy
    try:
        return spacy.blank(language).tokenizer
    except ImportError as error:
        raise ConfigurationError(f"spaCy cannot build a tokenizer for the language {language!r} ({error})") from error

"""The library's data record: a post and the entities in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mner.errors import DataError

CharacterSpan = tuple[int, int, str]
"""A gold entity of raw text: ``(start, end, type)`` in characters, ``end`` exclusive."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A typed span of words.

    Args:
        type: ``PER``, ``LOC``, ``ORG``, ``OTHER``, ``MISC`` or any other type of the data set.
        start: Index of the first word.
        end: Index one past the last word.
        text: The surface form, if known.
        confidence: Probability of the span under the decoder, between 0 and 1, or ``None``.
        characters: Character offsets ``(start, end)`` in the raw text, or ``None``.
    """

    type: str
    start: int
    end: int
    text: str | None = None
    confidence: float | None = None
    characters: tuple[int, int] | None = None

    @property
    def span(self) -> tuple[str, int, int]:
        """The entity as scorers compare it: ``(type, start, end)``."""
        return self.type, self.start, self.end


class Entities(list[Entity]):
    """The entities of a post, and what else a model computed for it.

    Args:
        entities: The entities, in order.
        scores: Numbers that describe the whole post, by name, such as RpBERT's ``relation``; most models have none.
    """

    def __init__(self, entities: Iterable[Entity] = (), scores: Mapping[str, float] | None = None) -> None:
        super().__init__(entities)
        self.scores = dict(scores or {})


@dataclass(frozen=True, slots=True)
class Post:
    """A post: its words, and what is known about them.

    Args:
        id: Name of the post, unique within its split.
        words: The words, as the data set tokenised them.
        tags: One tag per word, or ``None`` where the post is not annotated.
        image: Path of the image, or ``None``. The file need not exist.
        contexts: Texts about the image, by kind, for example ``{"caption": "a dog"}``; ``None``, NaN and the empty text
            are left out.
        text: The raw text, where the words were cut from one.
        offsets: Character offsets ``(start, end)`` of each word in ``text``.
        metadata: Further fields of the data set; copied into predictions, must be JSON.
        spans: Gold entities of a raw text as character spans, exactly as annotated; ``tags`` are aligned to words.
        is_raw: Whether the words (and tags) come from ``text`` by a word tokenizer, so that a model's preprocessor
            tokenizes it again with its own. Words that the data set provides are kept as they are.

    Raises:
        DataError: If ``tags`` or ``offsets`` do not have one item per word, or an argument is of another type.
    """

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    image: Path | None = None
    contexts: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    spans: tuple[CharacterSpan, ...] | None = None
    is_raw: bool = False

    def __post_init__(self) -> None:
        """Check words, image and contexts, and that tags and offsets are given once per word."""
        if isinstance(self.words, str) or not all(isinstance(word, str) for word in self.words):
            raise DataError(f"post {self.id!r}: expected words as strings, got {self.words!r:.60}")
        if isinstance(self.image, str):
            object.__setattr__(self, "image", Path(self.image))
        elif self.image is not None and not isinstance(self.image, Path):
            raise DataError(f"post {self.id!r}: expected the path of an image, got a {type(self.image).__name__}")
        for name, values in (("tags", self.tags), ("offsets", self.offsets)):
            if values is not None and len(values) != len(self.words):
                raise DataError(
                    f"post {self.id!r}: expected {len(self.words)} {name}, one per word, got {len(values)}; "
                    "check that words and tags come from the same tokenisation"
                )
        for kind, text in self.contexts.items():
            if not isinstance(text, str) and not _is_missing(text):
                raise DataError(
                    f"post {self.id!r}: expected a text as {kind}, got {text!r}; give a string, or leave it out"
                )
        if not all(isinstance(text, str) and text for text in self.contexts.values()):
            texts = {kind: text for kind, text in self.contexts.items() if text and isinstance(text, str)}
            object.__setattr__(self, "contexts", texts)

    def surface(self, start: int, end: int) -> str:
        """The text of the words from ``start`` up to but not including ``end``."""
        if self.text is not None and self.offsets is not None:
            return self.text[self.offsets[start][0] : self.offsets[end - 1][1]]
        return " ".join(self.words[start:end])


def _is_missing(value: object) -> bool:
    return value is None or value != value

"""The library's data record: a post and the entities in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import index
from pathlib import Path
from typing import Any

from mner.errors import DataError
from mner.notebook import ShownInNotebook

CharacterSpan = tuple[int, int, str]
"""A gold entity of raw text: ``(start, end, type)`` in characters, ``end`` exclusive."""
Box = tuple[float, float, float, float]
"""A box in an image: ``(x1, y1, x2, y2)`` as fractions of its width and height, from the top left corner."""
Boxes = Mapping[tuple[int, int], tuple[Box, ...]]
"""Boxes by the ``(start, end)`` of their entity."""
_STRING = frozenset({str})


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
        boxes: The boxes of the image that show the entity, ``()`` if the image does not show it; ``None`` if that is
            unknown, in posts without gold boxes and from models without a region head. Any of several gold boxes is
            correct; a model predicts at most one.

    Raises:
        DataError: If the span is empty or reversed, or its bounds are negative or not whole numbers.
    """

    type: str
    start: int
    end: int
    text: str | None = None
    confidence: float | None = None
    characters: tuple[int, int] | None = None
    boxes: tuple[Box, ...] | None = None

    def __post_init__(self) -> None:
        """Check the bounds."""
        try:
            valid = 0 <= index(self.start) < index(self.end)
        except TypeError:
            valid = False
        if not valid:
            raise DataError(
                f"expected the bounds of an entity as 0 <= start < end, got {self.start!r} and {self.end!r}; start "
                "counts words from 0 and end is one past the last word"
            )

    @property
    def span(self) -> tuple[str, int, int]:
        """The entity as scorers compare it: ``(type, start, end)``."""
        return self.type, self.start, self.end


class Entities(ShownInNotebook, list[Entity]):
    """The entities of a post, and what else a model computed for it.

    Args:
        entities: The entities, in order.
        scores: Numbers that describe the whole post, by name, such as RpBERT's ``relation``; most models have none.
        post: The post, as it was tagged.
    """

    def __init__(
        self, entities: Iterable[Entity] = (), scores: Mapping[str, float] | None = None, post: Post | None = None
    ) -> None:
        super().__init__(entities)
        self.scores = dict(scores or {})
        self.post = post

    def _repr_html_(self) -> str | None:  # None makes notebooks show the list
        return None if self.post is None else super()._repr_html_()


@dataclass(frozen=True, slots=True)
class Post(ShownInNotebook):
    """A post: its words, and what is known about them.

    Args:
        id: Name of the post, unique within its split.
        words: The words, as the data set tokenised them.
        tags: One tag per word, or ``None`` where the post is not annotated.
        image: Path of the image, the first one of several, or ``None``. The file need not exist.
        contexts: Texts about the image, by kind, for example ``{"caption": "a dog"}``; ``None``, NaN and the empty text
            are left out.
        text: The raw text, where the words were cut from one.
        offsets: Character offsets ``(start, end)`` of each word in ``text``.
        metadata: Further fields of the data set; copied into predictions, must be JSON.
        spans: Gold entities of a raw text as character spans, exactly as annotated; ``tags`` are aligned to words.
        is_raw: Whether the words (and tags) come from ``text`` by a word tokenizer, so that a model's preprocessor
            tokenizes it again with its own. Words that the data set provides are kept as they are.
        boxes: The gold boxes of the entities that the image shows, by ``(start, end)`` in the unit of the annotation:
            characters where there are ``spans``, else words. The image shows no entity without an entry. ``None`` where
            the boxes are not annotated. Read them by :func:`mner.boxes.gold_entities`. They are of the first image.
        more_images: Paths of the images after the first one, in order; :attr:`images` lists all.

    Raises:
        DataError: If ``tags`` or ``offsets`` do not have one item per word, ``boxes`` are malformed or of a span that
            is not in the post, there are more images but no first one, or an argument is of another type.
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
    boxes: Boxes | None = None
    more_images: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Check id, words, image, contexts and boxes, and that tags and offsets are given once per word."""
        if not isinstance(self.id, str):
            raise DataError(f"expected the id of a post as a string, got {self.id!r:.60}; give str(id)")
        if not isinstance(self.words, Sequence) or isinstance(self.words, str) or not are_strings(self.words):
            raise DataError(f"post {self.id!r}: expected words as strings, got {self.words!r:.60}")
        if isinstance(self.image, str):
            object.__setattr__(self, "image", Path(self.image))
        elif self.image is not None and not isinstance(self.image, Path):
            raise DataError(f"post {self.id!r}: expected the path of an image, got a {type(self.image).__name__}")
        if self.more_images:
            object.__setattr__(self, "more_images", self._checked_images(self.more_images))
        if isinstance(self.tags, str):
            raise DataError(f"post {self.id!r}: expected tags as a list of strings, got {self.tags!r:.60}")
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
        if self.contexts and not all(isinstance(text, str) and text for text in self.contexts.values()):
            texts = {kind: text for kind, text in self.contexts.items() if text and isinstance(text, str)}
            object.__setattr__(self, "contexts", texts)
        if self.boxes is not None:
            object.__setattr__(self, "boxes", self._checked_boxes(self.boxes))

    @property
    def images(self) -> tuple[Path, ...]:
        """The paths of all images, in order."""
        return () if self.image is None else (self.image, *self.more_images)

    def with_images(self, images: Sequence[Path]) -> Post:
        """Return the post with other images, any number of them."""
        return replace(self, image=images[0] if images else None, more_images=tuple(images[1:]))

    def surface(self, start: int, end: int) -> str:
        """The text of the words from ``start`` up to but not including ``end``."""
        if self.text is not None and self.offsets is not None:
            return self.text[self.offsets[start][0] : self.offsets[end - 1][1]]
        return " ".join(self.words[start:end])

    def _checked_images(self, images: object) -> tuple[Path, ...]:
        if not isinstance(images, (list, tuple)) or not all(isinstance(image, (str, Path)) for image in images):
            raise DataError(f"post {self.id!r}: expected more_images as paths of images, got {images!r:.80}")
        if self.image is None:
            raise DataError(
                f"post {self.id!r}: {len(images)} more images, but no first one; give image, or set all images by "
                "Post.with_images"
            )
        return tuple(map(Path, images))

    def _checked_boxes(
        self, boxes: Mapping[tuple[int, int], tuple[Box, ...]]
    ) -> dict[tuple[int, int], tuple[Box, ...]]:
        if self.tags is None and self.spans is None:
            raise DataError(f"post {self.id!r}: boxes of entities, but no entities; give tags, or leave the boxes out")
        if not isinstance(boxes, Mapping) or not all(map(_is_entry, boxes.items())):
            raise DataError(
                f"post {self.id!r}: expected boxes of entities as {{(start, end): (box, ...)}}, got {boxes!r:.80}"
            )
        exact = None if self.spans is None else {(start, end) for start, end, _ in self.spans}
        for bounds, several in boxes.items():
            start, end = bounds
            if not (0 <= start < end <= len(self.words) if exact is None else bounds in exact):
                expected = f"within its {len(self.words)} words" if exact is None else "of one of its character spans"
                raise DataError(f"post {self.id!r}: expected boxes of a span {expected}, got those of {start}-{end}")
            for box in several:
                if not is_box(box):
                    raise DataError(
                        f"post {self.id!r}: expected boxes (x1, y1, x2, y2) as fractions of width and height, with "
                        f"0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1, got {box!r:.80}"
                    )
        return {bounds: tuple(several) for bounds, several in boxes.items() if several}


def are_strings(values: Iterable[object]) -> bool:
    """Whether all values are strings; fast, since it runs for every word of every post."""
    kinds = {*map(type, values)}
    return kinds <= _STRING or all(issubclass(kind, str) for kind in kinds)


def is_box(value: Any) -> bool:
    """Whether a value is a :data:`Box` inside the image, with an area.

    Example:
        >>> is_box((0.1, 0.2, 0.5, 1.0)), is_box((0.1, 0.2, 0.1, 1.0)), is_box((10, 20, 50, 100))
        (True, False, False)
    """
    if not isinstance(value, tuple) or len(value) != 4 or not all(isinstance(side, (int, float)) for side in value):
        return False
    x1, y1, x2, y2 = value
    return bool(0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1)


def _is_entry(item: tuple[object, object]) -> bool:
    """Whether a key is a pair of whole numbers, and its value is a list or tuple."""
    bounds, several = item
    is_pair = isinstance(bounds, tuple) and len(bounds) == 2 and all(isinstance(bound, int) for bound in bounds)
    return is_pair and isinstance(several, (list, tuple))


def _is_missing(value: object) -> bool:
    return value is None or value != value

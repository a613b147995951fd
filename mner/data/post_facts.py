"""What the checks before a training must know of posts, counted in one pass."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise

from mner.labels import OUTSIDE
from mner.posts import Post
from mner.word_tokenizers.tweet import lone_marks

_NO_ENTITY = frozenset({OUTSIDE})


@dataclass(frozen=True)
class PostFacts:
    """Counts over posts.

    Args:
        posts: Number of posts.
        unannotated: Number of posts without tags.
        raw: Number of posts whose words come from their text by a word tokenizer.
        tags: The tags that occur, in alphabetical order.
        contexts: Number of posts per kind of context.
        lone_marks: How many more marks are words than beginnings of words, where the words are given, see
            :func:`mner.word_tokenizers.tweet.lone_marks`.
        opened_by_b: Number of entities that begin with ``B-`` where IOB1 has ``I-``.
        opened_by_i: Number of entities that begin with ``I-``.
    """

    posts: int = 0
    unannotated: int = 0
    raw: int = 0
    tags: tuple[str, ...] = ()
    contexts: Mapping[str, int] = field(default_factory=dict)
    lone_marks: int = 0
    opened_by_b: int = 0
    opened_by_i: int = 0

    def to_json(self) -> str:
        """Encode as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> PostFacts:
        """Decode what :meth:`to_json` encoded."""
        record = json.loads(text)
        return cls(**{**record, "tags": tuple(record["tags"])})

    def __add__(self, other: PostFacts) -> PostFacts:
        """Return the facts of both sets of posts."""
        return PostFacts(
            self.posts + other.posts,
            self.unannotated + other.unannotated,
            self.raw + other.raw,
            tuple(sorted({*self.tags, *other.tags})),
            dict(Counter(self.contexts) + Counter(other.contexts)),
            self.lone_marks + other.lone_marks,
            self.opened_by_b + other.opened_by_b,
            self.opened_by_i + other.opened_by_i,
        )


class FactCounter:
    """Counts facts of posts while they pass."""

    def __init__(self) -> None:
        self._posts = self._unannotated = self._raw = self._lone_marks = self._by_b = self._by_i = 0
        self._tags: set[str] = set()
        self._contexts: Counter[str] = Counter()

    def counting(self, posts: Iterable[Post]) -> Iterator[Post]:
        """Yield posts, and count them."""
        for post in posts:
            self._posts += 1
            self._unannotated += post.tags is None
            self._raw += post.is_raw
            if post.tags is not None and not _NO_ENTITY.issuperset(post.tags):
                self._tags.update(post.tags)
                by_b, by_i = count_openings(post.tags)
                self._by_b += by_b
                self._by_i += by_i
            elif post.tags:
                self._tags.add(OUTSIDE)
            self._contexts.update(post.contexts.keys())
            self._lone_marks += 0 if post.is_raw else lone_marks(post.words)
            yield post

    @property
    def facts(self) -> PostFacts:
        """The facts of the posts so far."""
        tags, contexts = tuple(sorted(self._tags)), dict(self._contexts)
        counts = self._lone_marks, self._by_b, self._by_i
        return PostFacts(self._posts, self._unannotated, self._raw, tags, contexts, *counts)


def count_openings(tags: tuple[str, ...]) -> tuple[int, int]:
    """Count the entities that begin with ``B-`` where IOB1 has ``I-``, and those that begin with ``I-``.

    Example:
        >>> count_openings(("I-LOC", "I-LOC", "B-LOC", "O", "B-PER"))
        (1, 1)
    """
    opened = [tag[:1] for previous, tag in pairwise((OUTSIDE, *tags)) if tag != OUTSIDE and previous[2:] != tag[2:]]
    return opened.count("B"), opened.count("I")

"""Posts that two data sets share: training on a post of the test set makes its score too high."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, get_args

from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

from mner.data.image_names import split_suffix
from mner.data.large_sets import select
from mner.errors import DataError
from mner.labels import check_choice
from mner.posts import Post
from mner.word_tokenizers.characters import UNSPACED

OnOverlap = Literal["error", "drop", "keep"]

SIMILAR = 0.8
"""Minimum Jaccard index of the words of near-identical texts: one of ten may be another."""
SIMILAR_WITH_IMAGE = 0.5
"""The same of two posts whose images have the same name."""
MIN_WORDS = 5
"""Minimum words of near-identical texts; shorter ones, such as greetings, must be equal and have at least three."""
_MIN_EQUAL = 3
_SHOWN = 5
_LINK = re.compile(r"\b(?:https?|www)\S+")
_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")  # a character is a word in scripts without spaces

_Words = frozenset[tuple[str, int]]


@dataclass(frozen=True)
class Overlap:
    """What two data sets share.

    Args:
        posts: The posts of the first one that are in the second, by id, with the id there.
        same_text: How many of these have the same words.
        same_image: How many of these have an image of the same name.
        same_image_only: Number of posts whose image has the name of an image in the second set, with another text.
        places: The indices of these posts in the first set, whose ids need not be unique.
    """

    posts: Mapping[str, str]
    same_text: int
    same_image: int
    same_image_only: int
    places: Sequence[int]

    def __str__(self) -> str:
        """Describe the overlap in a few words."""
        other = f"; {self.same_image_only} more have an image name in common, with another text"
        return (
            f"{len(self.places)} posts ({self.same_text} with the same text, {self.same_image} with the same image name"
            f"{other if self.same_image_only else ''})"
        )


def find_overlap(posts: Sequence[Post], others: Sequence[Post]) -> Overlap:
    """Find posts that are in another data set as well.

    Two posts are the same if their texts are near-identical, or if their images have the same name and their texts are
    similar. Texts are compared as words, regardless of case, punctuation, links and tokenisation.

    Args:
        posts: The posts of one set.
        others: The posts of the other.

    Example:
        >>> ours = [Post("1", ("Kevin", "Durant", "enters", "Oracle", "Arena")), Post("2", ("good", "morning"))]
        >>> find_overlap(ours, [Post("a", ("@Kevin", "Durant", "enters", "Oracle", "Arena", "!"))]).posts
        {'1': 'a'}
    """
    index = _Index(others)
    found: dict[str, str] = {}
    places: list[int] = []
    texts = images = image_only = 0
    for number, post in enumerate(posts):
        words, image = _words(post), _image(post)
        place = index.same_as(words, image)
        if place is None:
            image_only += image in index.images
            continue
        places.append(number)
        found[post.id] = others[place].id
        texts += index.words[place] == words
        images += image is not None and index.image_names[place] == image
    return Overlap(found, texts, images, image_only, places)


def without_overlap(posts: Sequence[Post], held_out: Sequence[Post], on_overlap: OnOverlap = "error") -> Sequence[Post]:
    """Check that training posts are not held out, or leave out those that are.

    Args:
        posts: The training posts.
        held_out: Posts that a model is not to be trained on.
        on_overlap: ``error``, ``drop`` or ``keep``.

    Raises:
        DataError: If there are such posts, unless they are to be dropped or kept.
        ConfigurationError: If ``on_overlap`` is unknown.
    """
    check_choice("on_overlap", on_overlap, get_args(OnOverlap))
    if not held_out:
        return posts
    overlap = find_overlap(posts, held_out)
    if not overlap.posts:
        rank_zero_info(f"none of the {len(posts)} training posts is among the {len(held_out)} held-out posts")
        return posts
    examples = ", ".join(f"{mine} is {theirs}" for mine, theirs in list(overlap.posts.items())[:_SHOWN])
    what = f"{len(overlap.places)} of {len(posts)} training posts are held out for testing: {overlap}: {examples}"
    if on_overlap == "error":
        raise DataError(
            f"{what}; scores on them would be too high. Leave them out of the training with --on_overlap drop (in "
            "Python, data.hold_out(posts, 'drop')), or train on them with --on_overlap keep"
        )
    rank_zero_warn(f"{what}; they are {'left out' if on_overlap == 'drop' else 'trained on'}")
    if on_overlap != "drop":
        return posts
    dropped = frozenset(overlap.places)
    return select(posts, [index for index in range(len(posts)) if index not in dropped])


def same_posts(posts: Sequence[Post]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of posts of one set that are the same in the sense of :func:`find_overlap`, by their places."""
    index = _Index(posts)
    for place, (words, image) in enumerate(zip(index.words, index.image_names, strict=True)):
        yield from ((place, other) for other in index.all_same_as(words, image) if other < place)


class _Index:
    """Posts by the words that can decide whether another one is similar (prefix filtering, Chaudhuri et al. 2006).

    Words are ordered from rare to frequent. Two sets with a Jaccard index of at least t share one of the first
    ``n - ceil(t * n) + 1`` of their n words, so that only those are looked up.
    """

    def __init__(self, posts: Sequence[Post]) -> None:
        self.words = [_words(post) for post in posts]
        self.image_names = [_image(post) for post in posts]
        self.images: dict[str | None, list[int]] = defaultdict(list)
        self._counts = Counter(word for words in self.words for word in words)
        self._by_word: dict[tuple[str, int], list[int]] = defaultdict(list)
        for place, (words, image) in enumerate(zip(self.words, self.image_names, strict=True)):
            if image is not None:
                self.images[image].append(place)
            for word in self._rarest(words):
                self._by_word[word].append(place)

    def same_as(self, words: _Words, image: str | None) -> int | None:
        """Return the place of the most similar of the posts that are the same as a given one, or ``None``."""
        best = max(self._candidates(words, image), default=(0.0, 0))
        return -best[1] if best[0] > 0 else None

    def all_same_as(self, words: _Words, image: str | None) -> set[int]:
        """Return the places of all posts that are the same as a given one."""
        return {-place for _, place in self._candidates(words, image)}

    def _candidates(self, words: _Words, image: str | None) -> Iterator[tuple[float, int]]:
        for place in self.images.get(image, ()) if image is not None else ():
            similarity = _jaccard(words, self.words[place])
            if similarity >= SIMILAR_WITH_IMAGE:
                yield 1 + similarity, -place  # rather than a post with the same text and another image
        for place in {place for word in self._rarest(words) for place in self._by_word.get(word, ())}:
            other = self.words[place]
            similarity = _jaccard(words, other)
            long = min(len(words), len(other)) >= MIN_WORDS
            if (similarity == 1 and len(words) >= _MIN_EQUAL) or (long and similarity >= SIMILAR):
                yield similarity, -place

    def _rarest(self, words: _Words) -> list[tuple[str, int]]:
        ordered = sorted(words, key=lambda word: (self._counts[word], word))
        return ordered[: len(words) - ceil(SIMILAR * len(words)) + 1]


def _words(post: Post) -> _Words:
    """Return the words of a post, each with its number among equal ones."""
    text = " ".join(post.words) if post.text is None else post.text
    seen: Counter[str] = Counter()
    numbered = []
    for word in _WORD.findall(_LINK.sub(" ", unicodedata.normalize("NFKC", text).casefold())):
        seen[word] += 1
        numbered.append((word, seen[word]))
    return frozenset(numbered)


def _image(post: Post) -> str | None:
    return None if post.image is None else split_suffix(post.image.name)[0]


def _jaccard(one: _Words, other: _Words) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common) if one or other else 1.0

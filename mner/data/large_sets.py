"""Operations on sequences of posts that leave stored posts on the disk."""

from __future__ import annotations

import pickle
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from itertools import accumulate, chain
from typing import overload

import numpy as np
import numpy.typing as npt

from mner.data.cache import only_writer
from mner.data.post_facts import FactCounter, PostFacts
from mner.data.stored_posts import StoredPosts
from mner.files import atomic_write
from mner.posts import Post
from mner.preprocessor import Preprocessor


class JoinedPosts(Sequence[Post]):
    """Several sequences of posts, one after the other.

    Args:
        parts: The sequences.
    """

    def __init__(self, parts: Sequence[Sequence[Post]]) -> None:
        self.parts = list(parts)
        self._ends = list(accumulate(map(len, self.parts)))

    def __len__(self) -> int:
        """Return the number of posts."""
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Post: ...
    @overload
    def __getitem__(self, index: slice) -> list[Post]: ...
    def __getitem__(self, index: int | slice) -> Post | list[Post]:
        """Return the post at an index, or those of a slice."""
        number = range(len(self))[index]
        if isinstance(number, range):
            return [self[each] for each in number]
        part = bisect_right(self._ends, number)
        return self.parts[part][number - (self._ends[part - 1] if part else 0)]

    def __iter__(self) -> Iterator[Post]:
        """Iterate over the parts in order."""
        return chain.from_iterable(self.parts)


def facts_of(posts: Sequence[Post]) -> PostFacts:
    """Return the facts of posts; of stored posts those of their whole file, before any change."""
    if isinstance(posts, StoredPosts):
        return posts.facts
    if isinstance(posts, JoinedPosts):
        return sum(map(facts_of, posts.parts), PostFacts())
    counter = FactCounter()
    deque(counter.counting(posts), maxlen=0)
    return counter.facts


def changed(posts: Sequence[Post], change: Callable[[Post], Post]) -> Sequence[Post]:
    """Apply a function to each post; to stored posts when they are accessed."""
    return posts.changed(change) if isinstance(posts, StoredPosts) else list(map(change, posts))


def select(posts: Sequence[Post], indices: Sequence[int] | npt.NDArray[np.int64]) -> Sequence[Post]:
    """Return the posts at some indices."""
    return posts.select(indices) if isinstance(posts, StoredPosts) else [posts[index] for index in indices]


def joined(posts: Sequence[Post], others: Sequence[Post]) -> Sequence[Post]:
    """Return posts followed by others."""
    if isinstance(posts, list) and isinstance(others, list):
        return [*posts, *others]
    return JoinedPosts([each for each in (posts, others) if len(each)])


def image_paths(posts: Sequence[Post]) -> Iterator[str]:
    """Yield the path of each image; of several posts with one image once for each sequence of posts."""
    if isinstance(posts, StoredPosts):
        yield from posts.image_paths()
    elif isinstance(posts, JoinedPosts):
        yield from chain.from_iterable(map(image_paths, posts.parts))
    else:
        yield from dict.fromkeys(str(image) for post in posts for image in post.images)


def prepared(posts: Sequence[Post], preprocessor: Preprocessor) -> Sequence[Post]:
    """Prepare posts once; stored posts are prepared with their batch."""
    return posts if isinstance(posts, (StoredPosts, JoinedPosts)) else list(map(preprocessor.prepare, posts))


def lengths_of(posts: Sequence[Post], preprocessor: Preprocessor) -> npt.NDArray[np.int32]:
    """Count the subwords of each post.

    The lengths of stored posts are stored next to them, for every process that needs them.

    Args:
        posts: The posts. Changes to stored posts must not change their words, except by tokenizing raw text again.
        preprocessor: The model's preprocessor.

    Raises:
        DataError: If a post does not fit and may not be split.
        OutputError: If the lengths cannot be stored.
    """
    if isinstance(posts, JoinedPosts):
        return np.concatenate([lengths_of(part, preprocessor) for part in posts.parts])
    if not isinstance(posts, StoredPosts):
        return np.array(preprocessor.lengths(posts), np.int32)
    tokenization = preprocessor.subword_tokenizer, preprocessor.contexts, preprocessor.word_tokenizer
    key = blake2b(pickle.dumps(tokenization), digest_size=8).hexdigest()
    path = posts.folder / f"lengths-{key}.npy"
    if not path.exists():
        with only_writer(posts.folder):
            if not path.exists():
                found = _counted(StoredPosts(posts.folder), preprocessor)
                with atomic_write(path, "wb") as file:
                    np.save(file, found)
    lengths: npt.NDArray[np.int32] = np.load(path, mmap_mode="r")
    return np.asarray(lengths) if posts.places is None else lengths[posts.places]


def _counted(posts: StoredPosts, preprocessor: Preprocessor) -> npt.NDArray[np.int32]:
    if posts.facts.raw or not posts.facts.contexts.keys().isdisjoint(preprocessor.contexts):
        return np.array(preprocessor.lengths(posts), np.int32)
    tokenizer = preprocessor.subword_tokenizer
    lengths = tokenizer.post_lengths(posts.sums_over_words(partial(tokenizer.num_subwords, known={})))
    long = np.flatnonzero(lengths > tokenizer.options.max_length)
    lengths[long] = preprocessor.lengths(posts.select(long))
    return lengths

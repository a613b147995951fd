"""Posts to subwords: alignment of subwords to words, and windows over posts that are too long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from mner.errors import DataError
from mner.posts import Post
from mner.text.segments import Integers, Row, Segment, SpecialTokens
from mner.text.subword_options import SubwordOptions
from mner.text.tweet_words import normalized

_POSTS_AT_ONCE = 10_000  # whose lengths are counted together
_WORDS_AT_ONCE = 10_000  # distinct words that are counted together: bounds memory
_MAX_COUNTED = 1_000_000  # distinct words whose numbers of subwords are kept


class SubwordTokenizer:
    """Tokenizes posts so that every word has at least one subword, whatever its characters.

    The first segment contains the words of the post, the second its contexts, joined by the separator. Each word is
    tokenized on its own. ``[SEP]`` or ``</s>`` in a post is plain text, not the special token. A word that vanishes in
    the tokenizer (a variation selector, a zero-width space) becomes the unknown token. A post that does not fit is read
    in windows that overlap by half, and each word is taken from the window that shows most of its surroundings;
    contexts are truncated before the post is windowed, to no less than a quarter of the length.

    Args:
        tokenizer: A fast tokenizer without padding and truncation.
        options: Lengths, special tokens, and how words are read.
    """

    def __init__(self, tokenizer: Tokenizer, options: SubwordOptions) -> None:
        self.tokenizer = tokenizer
        self.tokenizer.encode_special_tokens = True
        self.options = options
        self._around_post = SpecialTokens.of(tokenizer, 1)
        self._around_both = SpecialTokens.of(tokenizer, 2).with_separator(options.separator_id)
        self._space = np.array(tokenizer.encode([" "], is_pretokenized=True, add_special_tokens=False).ids, np.int64)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore after pickling, which loses the tokenizer's setting for special tokens in texts."""
        vars(self).update(state)
        self.tokenizer.encode_special_tokens = True

    def lengths(self, posts: Iterable[Post]) -> list[int]:
        """Count the subwords of each post, special tokens and contexts included, for length-grouped batches.

        A word has the same subwords in every post, so each distinct word is tokenized only once. A post in windows
        counts as that many full rows, which is its cost in a batch.

        Args:
            posts: Any number of posts, of which only a part is kept in memory at a time.

        Raises:
            DataError: If a post does not fit and ``on_long_post`` is ``error``; reports the count and the first ids.
        """
        return self.measure(posts)[0]

    def measure(self, posts: Iterable[Post]) -> tuple[list[int], list[bool]]:
        """Count the subwords of each post as :meth:`lengths` does, and find those whose contexts are truncated."""
        remaining = iter(posts)
        in_post: dict[str, int] = {}
        in_context: dict[str, int] = {}
        lengths: list[int] = []
        truncated: list[bool] = []
        while part := list(islice(remaining, _POSTS_AT_ONCE)):
            sizes = list(self._sizes(part, in_post, in_context))
            lengths += self._lengths(part, sizes)
            truncated += map(self._is_truncated, sizes)
        return lengths, truncated

    def num_subwords(self, words: Sequence[str], known: dict[str, int]) -> list[int]:
        """Count the subwords of each of some words of posts.

        Args:
            words: The words.
            known: The counts so far, which are used and added to.
        """
        self._count_subwords(words, known, without_gaps=True)
        return list(map(known.__getitem__, words))

    def post_lengths(self, num_subwords: NDArray[np.int32]) -> NDArray[np.int32]:
        """Add the special tokens around posts without contexts; what is too long is not yet split.

        Args:
            num_subwords: Subwords in the words of each post, shape ``(B,)``.
        """
        return np.maximum(num_subwords + len(self._around_post), 1).astype(np.int32)

    def num_truncated(self, posts: Sequence[Post]) -> int:
        """Count the posts whose contexts do not fit and are truncated."""
        return sum(map(self._is_truncated, self._sizes(posts, {}, {})))

    def _is_truncated(self, size: tuple[int, int]) -> bool:
        words, context = size
        room = self.options.max_length - len(self._around_both)
        return context > max(room - words, room // 4)

    def _lengths(self, posts: Sequence[Post], sizes: Sequence[tuple[int, int]]) -> list[int]:
        lengths: list[int] = []
        for words, context in sizes:
            specials = self._around_both if context else self._around_post
            lengths.append(max(len(specials) + words + context, 1))
        long = [index for index, length in enumerate(lengths) if length > self.options.max_length]
        for index, rows in zip(long, self._rows([posts[index] for index in long]), strict=True):
            lengths[index] = len(rows) * self.options.max_length if len(rows) > 1 else len(rows[0].ids)
        return lengths

    def _sizes(
        self, posts: Sequence[Post], in_post: dict[str, int], in_context: dict[str, int]
    ) -> Iterator[tuple[int, int]]:
        """Yield the number of subwords of each post's words and of its contexts, separators included."""
        contexts = [_context_words(post) for post in posts]
        self._count_subwords(chain.from_iterable(post.words for post in posts), in_post, without_gaps=True)
        self._count_subwords(chain.from_iterable(chain.from_iterable(contexts)), in_context, without_gaps=False)
        for post, of_post in zip(posts, contexts, strict=True):
            context = sum(map(in_context.__getitem__, chain.from_iterable(of_post))) + max(len(of_post) - 1, 0)
            yield sum(map(in_post.__getitem__, post.words)), context

    def __call__(self, posts: Sequence[Post]) -> dict[str, Tensor]:
        """Tokenize posts.

        Args:
            posts: B posts.

        Returns:
            The tensors of :class:`mner.batch.Batch` from ``input_ids`` to ``word_mask``.

        Raises:
            DataError: If a post does not fit and ``on_long_post`` is ``error``.
        """
        rows_of_posts = self._rows(posts)
        rows = [row for rows in rows_of_posts for row in rows]
        post_of_row = np.repeat(np.arange(len(posts)), [len(rows) for rows in rows_of_posts])
        first_row = np.searchsorted(post_of_row, np.arange(len(posts)))
        word_counts = np.array([len(post.words) for post in posts])
        width = max(int(word_counts.max()), 1)  # without any word, one column of padding avoids empty tensors
        length = max(len(row.ids) for row in rows)
        input_ids = np.full((len(rows), length), self.options.padding_id)
        attention_mask = np.zeros((len(rows), length), dtype=np.int64)
        token_type_ids = np.zeros((len(rows), length), dtype=np.int64)
        word_slots = np.full((len(rows), length), len(posts) * width)
        word_starts = np.zeros((len(rows), length), dtype=bool)
        for index, row in enumerate(rows):
            end = len(row.ids)
            input_ids[index, :end] = row.ids
            attention_mask[index, :end] = 1
            token_type_ids[index, :end] = row.types
            word_starts[index, :end] = row.starts
            kept = row.words >= 0
            if self.options.pooling == "first":
                kept[1:] &= row.words[1:] != row.words[:-1]
            word_slots[index, :end][kept] = row.words[kept] + post_of_row[index] * width
        return {
            "input_ids": torch.from_numpy(input_ids),
            "attention_mask": torch.from_numpy(attention_mask),
            "token_type_ids": torch.from_numpy(token_type_ids),
            "word_slots": torch.from_numpy(word_slots),
            "word_starts": torch.from_numpy(word_starts),
            "post_of_row": torch.from_numpy(post_of_row),
            "first_row": torch.from_numpy(first_row),
            "word_mask": torch.from_numpy(np.arange(width) < word_counts[:, None]),
        }

    def _rows(self, posts: Sequence[Post]) -> list[list[Row]]:
        contexts = [_context_words(post) for post in posts]
        segments = self._encode([*(list(post.words) for post in posts), *map(self._joined, contexts)])
        rows, long = [], []
        for index, post in enumerate(posts):
            words = self._without_gaps(segments[index], len(post.words))
            context = self._separated(segments[len(posts) + index], contexts[index])
            row = self._row(words, context)
            fits = len(row.ids) <= self.options.max_length
            if not fits:
                long.append(post)
            rows.append([row] if fits else self._windows(words, context, len(post.words)))
        if long and self.options.on_long_post == "error":
            self._refuse(long)
        return rows

    def _count_subwords(self, words: Iterable[str], counts: dict[str, int], without_gaps: bool) -> None:
        """Count the subwords of distinct words; ``without_gaps`` counts the unknown token of vanished ones."""
        if len(counts) > _MAX_COUNTED:
            counts.clear()
        distinct = [word for word in dict.fromkeys(words) if word not in counts]
        for start in range(0, len(distinct), _WORDS_AT_ONCE):
            part = distinct[start : start + _WORDS_AT_ONCE]
            (segment,) = self._encode([part])
            segment = self._without_gaps(segment, len(part)) if without_gaps else segment
            counts.update(zip(part, np.bincount(segment.words, minlength=len(part)).tolist(), strict=True))

    def _refuse(self, posts: Sequence[Post]) -> None:
        names = ", ".join(post.id for post in posts[:5])
        raise DataError(
            f"{len(posts)} posts have more than {self.options.max_length} subwords, contexts included "
            f"(first: {names}); shorten them, or set on_long_post to window"
        )

    def _encode(self, texts: Sequence[list[str]]) -> list[Segment]:
        """Return the subwords of the words of each text."""
        if self.options.normalize_tweets:
            texts = [list(map(normalized, text)) for text in texts]
        words = [[self.options.word_prefix + word for word in text] for text in texts]
        try:
            encodings = self.tokenizer.encode_batch(words, is_pretokenized=True, add_special_tokens=False)
        except TypeError:  # a lone surrogate, such as half an emoji, is not text to a tokenizer
            whole = [[word.encode("utf-8", "replace").decode("utf-8") for word in text] for text in words]
            encodings = self.tokenizer.encode_batch(whole, is_pretokenized=True, add_special_tokens=False)
        return [self._segment(encoding) for encoding in encodings]

    def _segment(self, encoding: Encoding) -> Segment:
        ids = np.array(encoding.ids, np.int64)
        if self.options.num_subwords is not None:
            ids[ids >= self.options.num_subwords] = self.options.unknown_id
        return Segment(ids, np.array(encoding.word_ids, np.int64))

    @staticmethod
    def _joined(contexts: list[list[str]]) -> list[str]:
        """Join the words of all contexts, with an empty word after each context but the last."""
        return [word for index, context in enumerate(contexts) for word in (*([""] if index else []), *context)]

    def _separated(self, segment: Segment, contexts: list[list[str]]) -> Segment:
        """Replace each of the empty words of :meth:`_joined` by the separator."""
        if len(contexts) < 2:
            return segment
        ends = np.cumsum([len(context) + 1 for context in contexts])[:-1] - 1
        return segment.replace(ends, self.options.separator_id)

    def _without_gaps(self, segment: Segment, num_words: int) -> Segment:
        """Represent words of which nothing, or only a space, is left by the unknown token."""
        sizes = np.bincount(segment.words, minlength=num_words)
        vanished = sizes == 0
        if len(self._space):
            blank = np.flatnonzero(sizes == len(self._space))
            begins = (np.cumsum(sizes) - sizes)[blank]
            vanished[blank] = (segment.ids[begins[:, None] + np.arange(len(self._space))] == self._space).all(axis=1)
        return segment.replace(np.flatnonzero(vanished), self.options.unknown_id) if vanished.any() else segment

    def _row(self, words: Segment, context: Segment) -> Row:
        """Put the special tokens around a post and its contexts."""
        if len(context):
            segments = [context, words] if self.options.contexts_first else [words, context]
            return self._around_both.row(segments, post=int(self.options.contexts_first))
        if len(words) or len(self._around_post):
            return self._around_post.row([words])
        # The row would be empty, without even a special token: the encoder reads the unknown token.
        return SpecialTokens((np.array([self.options.unknown_id]),), (np.array([0]),), ()).row([])

    def _windows(self, words: Segment, context: Segment, num_words: int) -> list[Row]:
        """Truncate the contexts, then split the post into windows, so that every row fits."""
        room = self.options.max_length - len(self._around_both if len(context) else self._around_post)
        for_context = max(room - len(words), room // 4)
        # A word of a context is read whole or not at all.
        context_ends = np.cumsum(np.bincount(context.words))
        context = context.keep(context.words < np.searchsorted(context_ends, for_context, side="right"))
        capacity = room - len(context)
        sizes = np.bincount(words.words, minlength=num_words)
        begins = np.cumsum(sizes) - sizes
        # Of a single word that does not fit, only the first subwords are read.
        words = words.keep(np.arange(len(words)) - begins[words.words] < capacity)
        rows = []
        for (start, end), (own_start, own_end) in _window_bounds(np.minimum(sizes, capacity), capacity):
            row = self._row(words.keep((words.words >= start) & (words.words < end)), context)
            row.words = np.where((row.words >= own_start) & (row.words < own_end), row.words, -1)
            rows.append(row)
        return rows


def _context_words(post: Post) -> list[list[str]]:
    """The words of each context that is not blank."""
    return [text.split() for text in post.contexts.values() if text.strip()]


def _window_bounds(pieces: Integers, capacity: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Place windows over words, and choose in each the words whose vectors are taken from it.

    Args:
        pieces: Number of subwords of each word, at most ``capacity``.
        capacity: Number of subwords that fit into one window.

    Returns:
        For each window ``(start, end), (own_start, own_end)``; the own ranges partition the words.
    """
    ends = np.cumsum(pieces)
    begins = np.append(0, ends)
    windows: list[tuple[int, int]] = []
    start = 0
    while True:
        end = int(np.searchsorted(ends, begins[start] + capacity, side="right"))
        windows.append((start, end))
        if end == len(pieces):
            break
        # At least one word further, and never past the end: no word may fall between two windows.
        middle = int(np.searchsorted(begins, begins[start] + capacity // 2))
        start = min(max(middle, start + 1), end)
    bounds = []
    own_start = 0
    for index, (start, end) in enumerate(windows):
        own_end = (windows[index + 1][0] + end + 1) // 2 if index + 1 < len(windows) else end
        bounds.append(((start, end), (own_start, own_end)))
        own_start = own_end
    return bounds

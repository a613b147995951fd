"""Posts to subwords: which piece belongs to which word, and windows over posts that are too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from mner.errors import DataError
from mner.posts import Post

Integers = NDArray[np.int64]


@dataclass
class Row:
    """One sequence that the encoder reads: a post, or a window of one.

    Args:
        ids: Subwords with specials, shape ``(P,)``.
        types: Zero in the post, one in its contexts, shape ``(P,)``, as the tokenizer has it.
        words: Which word of the post each piece stands for, -1 for none, shape ``(P,)``.
        starts: Whether a piece begins a word, of the post or its contexts, shape ``(P,)``.
    """

    ids: Integers
    types: Integers
    words: Integers
    starts: NDArray[np.bool_]


class SubwordTokenizer:
    """Tokenises posts so that every word keeps at least one piece, whatever it is made of.

    The first segment holds the post's words, the second its contexts, joined by the separator. A word that vanishes
    in the tokenizer (a variation selector, a zero-width space) becomes the unknown token. A post that does not fit is
    read in windows that overlap by half, each word being taken from the window that shows most of its surroundings;
    contexts are cut before the post is windowed, to no less than a quarter of the length.

    Args:
        tokenizer: A fast tokenizer; used without its own padding and truncation.
        max_length: Most pieces the encoder reads, specials included.
        unknown_token: Stands for a word with no piece.
        separator_token: Stands between two contexts.
        padding_id: Id of the padding piece.
        pooling: ``mean`` keeps all pieces of a word, ``first`` its first alone.
        on_long_post: ``window``, or ``error`` to refuse posts that do not fit.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_length: int,
        unknown_token: str,
        separator_token: str,
        padding_id: int,
        pooling: Literal["mean", "first"] = "mean",
        on_long_post: Literal["window", "error"] = "window",
    ) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.unknown_token = unknown_token
        self.separator_token = separator_token
        self.padding_id = padding_id
        self.pooling = pooling
        self.on_long_post = on_long_post

    def lengths(self, posts: Sequence[Post]) -> list[int]:
        """The number of pieces of each post, specials and contexts included, as length buckets need it.

        A post in windows counts as so many full rows, which is what it costs in a batch.

        Raises:
            DataError: If a post does not fit and ``on_long_post`` is ``error``; gives the count and the first ids.
        """
        return [len(rows) * self.max_length if len(rows) > 1 else len(rows[0].ids) for rows in self._rows(posts)]

    def __call__(self, posts: Sequence[Post]) -> dict[str, Tensor]:
        """Tokenise posts.

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
        width = max(int(word_counts.max()), 1)  # where no post has a word, a padded one keeps every shape regular
        length = max(len(row.ids) for row in rows)
        input_ids = np.full((len(rows), length), self.padding_id)
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
            if self.pooling == "first":
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

    def _context(self, post: Post) -> list[str]:
        return f" {self.separator_token} ".join(text for text in post.contexts.values() if text.strip()).split()

    def _encode(self, words: Sequence[list[str]], contexts: Sequence[list[str]]) -> list[Encoding]:
        inputs = [(w, c) if c else w for w, c in zip(words, contexts, strict=True)]
        try:
            return list(self.tokenizer.encode_batch(inputs, is_pretokenized=True))
        except TypeError:  # half of a surrogate pair, such as a cut emoji, is no text to a tokenizer
            return self._encode([_whole(each) for each in words], [_whole(each) for each in contexts])

    def _rows(self, posts: Sequence[Post]) -> list[list[Row]]:
        words = [list(post.words) for post in posts]
        contexts = [self._context(post) for post in posts]
        encodings = self._encode(words, contexts)
        vanished = []
        for index, encoding in enumerate(encodings):
            empty = np.flatnonzero(_piece_counts(encoding, 0, len(words[index])) == 0)
            if len(empty):
                vanished.append(index)
                for word in empty:
                    words[index][word] = self.unknown_token
        repaired = self._encode([words[index] for index in vanished], [contexts[index] for index in vanished])
        for index, encoding in zip(vanished, repaired, strict=True):
            encodings[index] = encoding
        long = [index for index, encoding in enumerate(encodings) if len(encoding) > self.max_length]
        if long and self.on_long_post == "error":
            self._refuse([posts[index] for index in long])
        rows = [[_row(encoding)] for encoding in encodings]
        for index in long:
            rows[index] = self._windows(words[index], contexts[index], encodings[index])
        return rows

    def _refuse(self, posts: Sequence[Post]) -> None:
        if posts:
            names = ", ".join(post.id for post in posts[:5])
            raise DataError(
                f"{len(posts)} posts have more than {self.max_length} subwords, contexts included (first: {names}); "
                "shorten them, or set on_long_post to window"
            )

    def _windows(self, words: list[str], context: list[str], encoding: Encoding) -> list[Row]:
        """Cut the context, then the post, until every row fits."""
        pieces = _piece_counts(encoding, 0, len(words))
        context_pieces = _piece_counts(encoding, 1, len(context))
        room = self.max_length - (len(encoding) - int(pieces.sum()) - int(context_pieces.sum()))
        for_context = max(room - int(pieces.sum()), room // 4)
        context = context[: int(np.searchsorted(np.cumsum(context_pieces), for_context, side="right"))]
        capacity = room - int(context_pieces[: len(context)].sum())
        windows = _window_bounds(np.minimum(pieces, capacity), capacity)
        rows = []
        for (start, end), (own_start, own_end) in windows:
            row = _row(self._encode([words[start:end]], [context])[0])
            excess = len(row.ids) - self.max_length
            if excess > 0:  # a single word that is longer than the encoder reads: its first pieces speak for it
                last = int(np.flatnonzero(row.words == end - start - 1)[-1]) + 1
                kept = np.delete(np.arange(len(row.ids)), np.s_[last - excess : last])
                row = Row(row.ids[kept], row.types[kept], row.words[kept], row.starts[kept])
            shown = np.where(row.words >= 0, row.words + start, -1)
            row.words = np.where((shown >= own_start) & (shown < own_end), shown, -1)
            rows.append(row)
        return rows


def _whole(words: list[str]) -> list[str]:
    return [word.encode("utf-8", "replace").decode("utf-8") for word in words]


def _piece_counts(encoding: Encoding, segment: int, words: int) -> Integers:
    """How many pieces each word of a segment has; NumPy makes None NaN, so that no piece is looped over."""
    word = np.array(encoding.word_ids, dtype=float)
    inside = (np.array(encoding.sequence_ids, dtype=float) == segment) & ~np.isnan(word)
    return np.bincount(word[inside].astype(np.int64), minlength=words)


def _row(encoding: Encoding) -> Row:
    word = np.array(encoding.word_ids, dtype=float)
    segment = np.array(encoding.sequence_ids, dtype=float)
    inside = (segment == 0) & ~np.isnan(word)
    begins = (np.diff(word, prepend=np.nan) != 0) | (np.diff(segment, prepend=np.nan) != 0)
    return Row(
        ids=np.array(encoding.ids, dtype=np.int64),
        types=np.array(encoding.type_ids, dtype=np.int64),
        words=np.where(inside, word, -1).astype(np.int64),
        starts=begins & ~np.isnan(word) & ~np.isnan(segment),
    )


def _window_bounds(pieces: Integers, capacity: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Windows over words, and in each the words that it speaks for.

    Args:
        pieces: Pieces of each word, none above ``capacity``.
        capacity: Pieces that fit into one window.

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
        # At least one word on, and never past the end: no word may fall between two windows.
        middle = int(np.searchsorted(begins, begins[start] + capacity // 2))
        start = min(max(middle, start + 1), end)
    bounds = []
    own_start = 0
    for index, (start, end) in enumerate(windows):
        own_end = (windows[index + 1][0] + end + 1) // 2 if index + 1 < len(windows) else end
        bounds.append(((start, end), (own_start, own_end)))
        own_start = own_end
    return bounds

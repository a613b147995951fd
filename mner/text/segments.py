"""The subwords of a segment, and the special tokens that a tokenizer puts around one or two segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from mner.errors import ConfigurationError

Integers = NDArray[np.int64]
TRIAL_WORDS = ("a", "A", "1", ".", "的", "а")
"""Sample words, at least one of which any tokenizer knows."""


@dataclass(frozen=True)
class Segment:
    """The subwords of some words, without special tokens.

    Args:
        ids: Subwords, shape ``(P,)``.
        words: Index of the word of each subword, ascending, shape ``(P,)``.
    """

    ids: Integers
    words: Integers

    def __len__(self) -> int:
        """The number of subwords, P."""
        return len(self.ids)

    def keep(self, kept: NDArray[np.bool_]) -> Segment:
        """Return only the subwords where ``kept``, of shape ``(P,)``, is true."""
        return Segment(self.ids[kept], self.words[kept])

    def replace(self, words: Integers, subword: int) -> Segment:
        """Replace the subwords, if any, of each of ``words`` by this one."""
        others = self.keep(~np.isin(self.words, words))
        places = np.searchsorted(others.words, words)
        return Segment(np.insert(others.ids, places, subword), np.insert(others.words, places, words))

    @property
    def starts(self) -> NDArray[np.bool_]:
        """Whether a subword begins a word, shape ``(P,)``."""
        starts = np.ones(len(self), dtype=np.bool_)
        np.not_equal(self.words[1:], self.words[:-1], out=starts[1:])  # faster than np.diff for a few subwords
        return starts


@dataclass
class Row:
    """One sequence that the encoder reads: a post, or a window of one.

    Args:
        ids: Subwords with special tokens, shape ``(P,)``.
        types: Zero in the post, one in its contexts, shape ``(P,)``, as the tokenizer defines them.
        words: Index of the word that each subword represents, -1 for none, shape ``(P,)``.
        starts: Whether a subword begins a word, of the post or its contexts, shape ``(P,)``.
    """

    ids: Integers
    types: Integers
    words: Integers
    starts: NDArray[np.bool_]


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens of a row, such as ``[CLS] words [SEP] contexts [SEP]``, and all token types.

    Args:
        ids: Those before the first segment, between two of them, and after the last one.
        types: Their token types.
        segment_types: The token type of each segment.
    """

    ids: tuple[Integers, ...]
    types: tuple[Integers, ...]
    segment_types: tuple[int, ...]

    def __len__(self) -> int:
        """The number of special tokens."""
        return sum(map(len, self.ids))

    @classmethod
    def of(cls, tokenizer: Tokenizer, num_segments: int) -> SpecialTokens:
        """Find the special tokens that a tokenizer puts around one or two segments, by encoding a word in each.

        Raises:
            ConfigurationError: If the tokenizer knows no character at all.
        """
        for word in TRIAL_WORDS:
            encoding: Encoding = tokenizer.encode([word], [word] if num_segments == 2 else None, is_pretokenized=True)
            segments = np.array([-1 if index is None else index for index in encoding.sequence_ids])
            if set(range(num_segments)) <= set(segments.tolist()):
                break
        else:
            raise ConfigurationError(
                "the tokenizer has no subword for any character; check that all its files are in the folder"
            )
        ids, types = np.array(encoding.ids), np.array(encoding.type_ids)
        place = np.array([segments[: index + 1].max() + 1 for index in range(len(ids))])
        special = segments < 0
        parts = [special & (place == index) for index in range(num_segments + 1)]
        return cls(
            tuple(ids[part] for part in parts),
            tuple(types[part] for part in parts),
            tuple(int(types[segments == index][0]) for index in range(num_segments)),
        )

    def with_separator(self, separator_id: int) -> SpecialTokens:
        """Return the same special tokens, with a separator between two segments where the tokenizer has none."""
        if len(self.ids) < 3 or len(self.ids[1]):
            return self
        separator, its_type = np.array([separator_id]), np.array([self.segment_types[0]])
        return SpecialTokens(
            (self.ids[0], separator, self.ids[2]), (self.types[0], its_type, self.types[2]), self.segment_types
        )

    def row(self, segments: Sequence[Segment], post: int = 0) -> Row:
        """Assemble a row.

        Args:
            segments: The post, and its contexts if these are the special tokens of two segments.
            post: Which of the segments is the post.
        """
        ids, types, words, starts = [], [], [], []
        for place, (its_ids, its_types) in enumerate(zip(self.ids, self.types, strict=True)):
            ids.append(its_ids)
            types.append(its_types)
            words.append(np.full(len(its_ids), -1))
            starts.append(np.zeros(len(its_ids), dtype=np.bool_))
            if place < len(segments):
                segment = segments[place]
                ids.append(segment.ids)
                types.append(np.full(len(segment), self.segment_types[place]))
                words.append(segment.words if place == post else np.full(len(segment), -1))
                starts.append(segment.starts)
        return Row(*(np.concatenate(parts) for parts in (ids, types, words, starts)))

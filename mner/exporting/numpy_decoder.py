"""Decodes the emissions of an exported model with NumPy only; also copied into the folder of every exported model.

Exact inference in a linear chain, one post at a time: the most probable tags (Viterbi), the marginal probability of
each tag, and the entities with their probability under any spelling, as mner.decoders computes them. A graph that reads
characters gets them from character_ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Found(NamedTuple):
    """An entity: its type, its first word and the one past its last, and its probability."""

    type: str
    start: int
    end: int
    confidence: float


def character_ids(words: Sequence[str], max_characters: int = 20) -> Array:
    """Return the input ``characters`` of a post, shape ``(1, W, C)``, as mner.text.characters computes it.

    Args:
        words: W words.
        max_characters: As in ``config.json``; of a longer word the beginning and the end are read.
    """
    front = max_characters // 2
    kept = [word if len(word) <= max_characters else word[:front] + word[front - max_characters :] for word in words]
    table = np.zeros((1, len(kept), max(map(len, kept), default=1)), np.int64)
    for place, word in enumerate(kept):
        codes = np.array([ord(character) for character in word])
        table[0, place, : len(word)] = 1 + np.where(codes < 256, codes, 256 + codes % 256)
    return table


class NumpyDecoder:
    """The decoder of an exported model.

    Args:
        path: Its file ``decoder.npz``: labels, start, transition and end scores, and the temperature.
    """

    def __init__(self, path: Any) -> None:
        with np.load(path) as tables:  # which unpickles nothing
            self.labels = [str(label) for label in tables["labels"]]
            self.temperature = float(tables["temperature"])
            names = ("start", "transitions", "end")
            self.start, self.between, self.end = (np.float64(tables[name]) / self.temperature for name in names)
        split = [label.partition("-")[::2] for label in self.labels]
        self.types = np.array([type_ for _, type_ in split])
        self.continues = np.array([[a in "BI" and b in "IE" and s == t for b, t in split] for a, s in split])

    def tags(self, emissions: Array) -> list[str]:
        """Return the most probable tags of a post from its emissions ``(W, L)``, without padding."""
        return [self.labels[index] for index in self._best(emissions)]

    def marginals(self, emissions: Array) -> Array:
        """Return the probability of each label of each word, shape ``(W, L)``."""
        _, forward, backward = self._sums(emissions)
        paths = forward + backward
        return np.exp(paths - _logsumexp(paths, 1)[:, None]) if len(paths) else paths

    def entities(self, emissions: Array) -> list[Found]:
        """Return the entities that the most probable tags encode, by the convention conlleval."""
        best, sums = self._best(emissions), self._sums(emissions)
        starts = [word for word in range(len(best)) if not (word and self.continues[best[word - 1], best[word]])]
        found = zip(starts, [*starts[1:], len(best)], strict=False)
        spans = [(str(self.types[best[start]]), start, end) for start, end in found if self.types[best[start]]]
        return [Found(*span, self._probability(*span, *sums)) for span in spans]

    def _best(self, emissions: Array) -> list[int]:
        scores, origins = self.start, []
        for word, emission in enumerate(emissions / self.temperature):
            paths = scores[:, None] + self.between if word else scores[None]
            origins.append(paths.argmax(0))
            scores = paths.max(0) + emission
        path = [int((scores + self.end).argmax())]
        for origin in reversed(origins[1:]):
            path.append(int(origin[path[-1]]))
        return path[::-1] if origins else []

    def _sums(self, emissions: Array) -> tuple[Array, Array, Array]:
        """The scores of the words, and log sums of the paths up to each label, score included, and from it on."""
        scores = emissions.astype(np.float64) / self.temperature
        forward, backward = scores.copy(), np.zeros_like(scores)
        for word in range(len(scores)):
            forward[word] += _logsumexp(forward[word - 1][:, None] + self.between, 0) if word else self.start
        for word in reversed(range(len(scores))):
            is_last = word == len(scores) - 1
            backward[word] = self.end if is_last else self._after(scores, backward, word, self.between)
        return scores, forward, backward

    def _probability(self, type_: str, start: int, end: int, scores: Array, forward: Array, backward: Array) -> float:
        """Sum the paths with exactly this entity, over its spellings, and divide by the sum of all paths."""
        own = np.where(self.types == type_, 0.0, -np.inf)
        within = np.where(self.continues, self.between, -np.inf)
        across = np.where(self.continues, -np.inf, self.between)
        sums = own + (scores[start] + _logsumexp(forward[start - 1][:, None] + across, 0) if start else forward[0])
        for word in range(start + 1, end):
            sums = own + scores[word] + _logsumexp(sums[:, None] + within, 0)
        after = self.end if end == len(scores) else self._after(scores, backward, end - 1, across)
        return float(np.exp(_logsumexp(sums + after, 0) - _logsumexp(forward[0] + backward[0], 0)))

    @staticmethod
    def _after(scores: Array, backward: Array, word: int, between: Array) -> Array:
        """Log sums of the paths after each label of a word."""
        sums: Array = _logsumexp(between + scores[word + 1] + backward[word + 1], 1)
        return sums


def _logsumexp(values: Array, axis: int) -> Any:
    largest = np.maximum(values.max(axis, keepdims=True), -1e300)  # where all are minus infinity
    with np.errstate(divide="ignore"):
        return np.log(np.exp(values - largest).sum(axis)) + largest.squeeze(axis)

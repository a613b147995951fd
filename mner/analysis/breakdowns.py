"""Scores by group: entities seen in training or not, ambiguous or not; posts by length, with and without an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import inf

from mner.analysis.counts import Score, count_entities
from mner.errors import DataError, LabelError
from mner.labels import spans
from mner.posts import Post
from mner.predictions import Prediction, Span, gold_spans

LENGTH_EDGES = (0, 10, 15, 20, 25, inf)
"""Edges in words: fewer than 10 words per post, 10 to 14, and so on."""
GROUPS = ("seen", "unseen", "multi-type", "single-type")


class TrainedMentions:
    """The surface forms of the training entities with their types.

    Surface forms are compared in lower case, words joined by a space; entities are decoded from tags by ``conlleval``.

    Args:
        posts: The training posts.

    Raises:
        DataError: If there are no posts, or one has no tags.
    """

    def __init__(self, posts: Iterable[Post]) -> None:
        types_of: dict[str, set[str]] = defaultdict(set)
        posts = list(posts)
        for post in posts:
            if post.tags is None:
                raise DataError(f"training post {post.id!r} has no tags; give the file that the model was trained on")
            for entity in spans(post.tags):
                types_of[_surface(post.words, entity.start, entity.end)].add(entity.type)
        if not posts:
            raise DataError("expected training posts, got none; give the file that the model was trained on")
        self.types_of = {surface: frozenset(types) for surface, types in types_of.items()}

    @property
    def ambiguous(self) -> list[str]:
        """The surface forms that occur with several types."""
        return sorted(surface for surface, types in self.types_of.items() if len(types) > 1)

    def groups(self, surface: str, type_: str) -> tuple[str, ...]:
        """Find the groups of an entity: one of the first pair, and one or none of the second.

        ``seen`` or ``unseen``: whether its string occurs in training with its type. ``multi-type``: its string occurs
        with several types; ``single-type``: only with its own type. A string that does not occur, or only with one
        other type, is neither.

        Args:
            surface: The string, in lower case.
            type_: The type.
        """
        types = self.types_of.get(surface, frozenset())
        seen = "seen" if type_ in types else "unseen"
        if len(types) > 1:
            return seen, "multi-type"
        return (seen, "single-type") if types == {type_} else (seen,)

    def check_types(self, predictions: Iterable[Prediction]) -> None:
        """Reject a training file with other labels.

        Raises:
            LabelError: If there are gold or predicted entity types that no training post has.
        """
        trained = {type_ for types in self.types_of.values() for type_ in types}
        scored: set[str] = set()
        for prediction in predictions:
            scored.update(type_ for type_, _, _ in gold_spans(prediction.post))
            scored.update(entity.type for entity in prediction.entities)
        if not scored <= trained:
            raise LabelError(
                f"the training file has entities of {', '.join(sorted(trained)) or 'no type'}, the scored posts have "
                f"{', '.join(sorted(scored))}; give the training file of the same data set"
            )


def by_mention(predictions: Sequence[Prediction], trained: TrainedMentions) -> dict[str, Score]:
    """Score the groups of Table 4 of Chen et al. (2020).

    A predicted entity belongs to the groups of its own string and type, as a gold entity does: precision is over the
    former, recall over the latter.

    Args:
        predictions: Predictions of annotated posts.
        trained: The entities that occur in training.

    Returns:
        One score per group of :data:`GROUPS`.
    """

    def groups(prediction: Prediction, span: Span) -> tuple[str, ...]:
        return trained.groups(_surface(prediction.post.words, span[1], span[2]), span[0])

    return _grouped(predictions, groups, GROUPS)


def by_length(predictions: Sequence[Prediction], edges: Sequence[float] = LENGTH_EDGES) -> dict[str, Score]:
    """Score the posts by their length in words (Figure 3 of Chen et al. 2020).

    Args:
        predictions: Predictions of annotated posts.
        edges: Each bin contains the posts from one edge up to but not including the next.

    Returns:
        One score per bin, named ``10-14`` or ``25+``.
    """
    names = length_bins(edges)
    return _by_post(predictions, lambda post: _bin(len(post.words), edges, names), names)


def length_bins(edges: Sequence[float] = LENGTH_EDGES) -> list[str]:
    """List the names of the bins between edges.

    Example:
        >>> length_bins((0, 10, 15, inf))
        ['0-9', '10-14', '15+']
    """
    return [f"{low:g}+" if high == inf else f"{low:g}-{high - 1:g}" for low, high in pairwise(edges)]


def by_image(predictions: Sequence[Prediction]) -> dict[str, Score]:
    """Score the posts with an image and those without."""
    names = ["with image", "without image"]
    return _by_post(predictions, lambda post: names[post.image is None], names)


def posts_of(predictions: Iterable[Prediction], edges: Sequence[float] = LENGTH_EDGES) -> dict[str, int]:
    """Count the posts in each bin of lengths."""
    names = length_bins(edges)
    counts = dict.fromkeys(names, 0)
    for prediction in predictions:
        counts[_bin(len(prediction.post.words), edges, names)] += 1
    return counts


def _by_post(predictions: Sequence[Prediction], group: Callable[[Post], str], names: Sequence[str]) -> dict[str, Score]:
    groups: Mapping[str, list[Prediction]] = {name: [] for name in names}
    for prediction in predictions:
        groups[group(prediction.post)].append(prediction)
    return {name: count_entities(part).score() for name, part in groups.items()}


def _grouped(
    predictions: Iterable[Prediction], groups: Callable[[Prediction, Span], tuple[str, ...]], names: Sequence[str]
) -> dict[str, Score]:
    correct, predicted, gold = (dict.fromkeys(names, 0) for _ in range(3))
    for prediction in predictions:
        true = gold_spans(prediction.post)
        for span in true:
            for name in groups(prediction, span):
                gold[name] += 1
        for entity in prediction.entities:
            for name in groups(prediction, entity.span):
                predicted[name] += 1
                correct[name] += entity.span in true
    return {name: Score.of(correct[name], predicted[name], gold[name]) for name in names}


def _bin(words: int, edges: Sequence[float], names: Sequence[str]) -> str:
    for (low, high), name in zip(pairwise(edges), names, strict=True):
        if low <= words < high:
            return name
    raise DataError(
        f"a post of {words} words is in none of the bins {', '.join(names)}; let the edges reach from 0 to inf"
    )


def _surface(words: tuple[str, ...], start: int, end: int) -> str:
    return " ".join(words[start:end]).lower()

"""The exact upper bound of text-only models on demo posts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum

from mner.demo.names import AMBIGUOUS, NOVEL_AMBIGUOUS
from mner.errors import DataError
from mner.posts import Post


@dataclass(frozen=True)
class TextOnlyCeiling:
    """The best scores that any function of the words can reach, between 0 and 1.

    Args:
        mentions: Number of ambiguous mentions.
        expected: Accuracy on ambiguous mentions by the generating process, in which each of a name's k types is
            equally likely: the mean of 1/k.
        attained: The same for the sampled posts: of all mentions in the same words, the most frequent type is correct.
        ambiguous_f1: Entity F1 on ambiguous mentions only.
        overall_f1: Entity F1 on all mentions, with all plain ones correct.
    """

    mentions: int
    expected: float
    attained: float
    ambiguous_f1: float
    overall_f1: float


def text_only_ceiling(posts: Iterable[Post]) -> TextOnlyCeiling:
    """Compute the text-only ceiling of demo posts.

    A model that sees equal words must predict equal tags. Of the mentions at the same position in equal posts it can
    therefore predict only one type correctly, even if it has memorised the posts. It may also predict no entity there,
    which can raise F1; the two F1 values are the maximum over all such choices.

    Args:
        posts: Whole splits of :func:`~mner.demo.generate_demo_posts`.

    Raises:
        DataError: If no post has an ambiguous mention.
    """
    places: defaultdict[tuple[tuple[str, ...], int], Counter[str]] = defaultdict(Counter)
    chances, plain = [], 0
    for post in posts:
        for mention in post.metadata.get("mentions", ()):
            if mention["kind"] == "plain":
                plain += 1
                continue
            name = post.surface(mention["start"], mention["end"])
            chances.append(1 / len((AMBIGUOUS | NOVEL_AMBIGUOUS)[name]))
            places[post.words, mention["start"]][mention["type"]] += 1
    if not chances:
        raise DataError("expected demo posts with ambiguous mentions, got none; give whole generated splits")
    best = [(max(types.values()), types.total()) for types in places.values()]
    return TextOnlyCeiling(
        mentions=len(chances),
        expected=fsum(chances) / len(chances),
        attained=sum(right for right, _ in best) / len(chances),
        ambiguous_f1=_best_f1(best, 0),
        overall_f1=_best_f1(best, plain),
    )


def _best_f1(places: Sequence[tuple[int, int]], plain: int) -> float:
    """Compute the maximum F1 over the positions at which to predict, in order of decreasing precision."""
    gold = plain + sum(mentions for _, mentions in places)
    right = predicted = plain
    best = 2 * right / (predicted + gold)
    for correct, mentions in sorted(places, key=lambda place: place[0] / place[1], reverse=True):
        right, predicted = right + correct, predicted + mentions
        best = max(best, 2 * right / (predicted + gold))
    return best

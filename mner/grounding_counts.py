"""Counts of grounded entities in one post: the sufficient statistics of GMNER, MNER and EEG scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from mner.boxes import gold_entities, intersection_over_union
from mner.errors import DataError
from mner.posts import Box, Entity, Post

Matching = Literal["position", "surface"]
THRESHOLD = 0.5
_ROUNDING = 1e-6
"""Boxes in single precision: an overlap of exactly the threshold in pixels must count."""


class GroundedCounts(NamedTuple):
    """Entities of a post.

    Args:
        gmner: Predicted entities with the span, type and region of a gold entity.
        mner: Those with its span and type.
        eeg: Those with its span and region (entity extraction and grounding).
        predicted: Predicted entities.
        gold: Gold entities.
    """

    gmner: int
    mner: int
    eeg: int
    predicted: int
    gold: int


def count_grounded(
    preds: Sequence[Entity], target: Post, threshold: float = THRESHOLD, matching: Matching = "position"
) -> GroundedCounts:
    """Count the entities of a post, each gold entity matched with at most one predicted entity.

    Two regions agree if neither entity has a box, or the predicted box overlaps some gold box enough.

    Args:
        preds: The predicted entities, with at most one box each.
        target: The post, with tags and gold boxes.
        threshold: Minimum intersection over union.
        matching: Which spans agree: those of the same ``position``, or of the same ``surface``, the words joined by
            spaces; then as many entities are matched as possible.

    Raises:
        DataError: If the post has no gold boxes, or an entity has no ``boxes``, or several.
    """
    gold = gold_entities(target)
    for entity, boxes in ((each, each.boxes) for each in (*preds, *gold)):
        if boxes is None:
            raise DataError(
                f"post {target.id!r}: expected boxes of every entity, () where it is not shown, got none of "
                f"{entity.span}; give posts with gold boxes, and predictions of a model with a region head"
            )
    several = next((entity for entity in preds if len(entity.boxes or ()) > 1), None)
    if several is not None:
        raise DataError(
            f"post {target.id!r}: expected one box or none per predicted entity, got {len(several.boxes or ())} of "
            f"{several.span}; keep the best one"
        )

    def place(entity: Entity) -> object:
        span = entity.start, entity.end
        return span if matching == "position" else target.words[entity.start : entity.end]

    spans = [[same for same, other in enumerate(gold) if place(other) == place(entity)] for entity in preds]

    def count(agree: Callable[[Entity, Entity], bool]) -> int:
        edges = [
            [index for index in same if agree(entity, gold[index])] for entity, same in zip(preds, spans, strict=True)
        ]
        return _matched(edges)

    def same_type(entity: Entity, other: Entity) -> bool:
        return entity.type == other.type

    def same_region(entity: Entity, other: Entity) -> bool:
        return agree_in_region(entity, other, threshold)

    def same_both(entity: Entity, other: Entity) -> bool:
        return same_type(entity, other) and same_region(entity, other)

    return GroundedCounts(count(same_both), count(same_type), count(same_region), len(preds), len(gold))


def agree_in_region(entity: Entity, gold: Entity, threshold: float = THRESHOLD) -> bool:
    """Whether neither entity has a box, or a predicted box overlaps some gold box enough."""
    if not entity.boxes or not gold.boxes:
        return not entity.boxes and not gold.boxes
    return covers(entity.boxes, gold.boxes, threshold)


def covers(candidates: Iterable[Box], boxes: Sequence[Box], threshold: float = THRESHOLD) -> bool:
    """Whether one of the candidates overlaps one of the boxes by at least the threshold, up to rounding.

    Example:
        >>> covers([(0.0, 0.0, 0.1, 0.1), (0.0, 0.0, 1.0, 0.5)], [(0.0, 0.0, 1.0, 1.0)])
        True
    """
    return any(intersection_over_union(each, box) >= threshold - _ROUNDING for each in candidates for box in boxes)


def _matched(edges: Sequence[Sequence[int]]) -> int:
    """Return the size of a maximum matching of a bipartite graph, by augmenting paths (Kuhn 1955).

    Args:
        edges: The neighbours of each node of the left side.
    """
    partner: dict[int, int] = {}

    def augment(node: int, visited: set[int]) -> bool:
        for other in edges[node]:
            if other not in visited:
                visited.add(other)
                if other not in partner or augment(partner[other], visited):
                    partner[other] = node
                    return True
        return False

    return sum(augment(node, set()) for node in range(len(edges)))

"""Boxes of entities in images: the gold entities of a post with their boxes, and the overlap of two boxes."""

from __future__ import annotations

from dataclasses import replace

from mner.errors import DataError
from mner.labels import spans as spans_of
from mner.posts import Box, Entity, Post
from mner.span_alignment import align_spans, contradiction


def gold_entities(post: Post) -> list[Entity]:
    """Find the gold entities of a post by the convention ``conlleval``, with their gold boxes.

    ``boxes`` of each entity is ``None`` where the post has no gold boxes, and ``()`` where its image does not show the
    entity. Of an entity of raw text that is widened to whole words they are those of its character span.

    Args:
        post: A post with tags; of raw text, with the words of any word tokenizer.

    Raises:
        DataError: If the post has no tags, or has boxes of words that are not an entity, or its character spans
            contradict its tags or have no offsets.

    Example:
        >>> post = Post("1", ("Ann", "in", "Oslo"), ("B-PER", "O", "B-LOC"), boxes={(0, 1): ((0.1, 0.2, 0.5, 1.0),)})
        >>> [(entity.type, entity.boxes) for entity in gold_entities(post)]
        [('PER', ((0.1, 0.2, 0.5, 1.0),)), ('LOC', ())]
    """
    if post.tags is None:
        raise DataError(f"post {post.id!r} has no gold tags; give annotated posts")
    entities = spans_of(post.tags)
    if post.boxes is None:
        return entities
    bounds = {(entity.start, entity.end): (entity.start, entity.end) for entity in entities}
    if post.spans is not None:
        bounds = _character_bounds(post)
    elif strangers := sorted(post.boxes.keys() - bounds.keys()):
        raise DataError(
            f"post {post.id!r}: boxes of the words {strangers[0]}, which are not an entity; give those of entities, "
            f"{sorted(bounds)}"
        )
    return [replace(entity, boxes=post.boxes.get(bounds[entity.start, entity.end], ())) for entity in entities]


def intersection_over_union(box: Box, other: Box) -> float:
    """Compute the overlap of two boxes: 1 if they are equal, 0 if they share no area.

    Example:
        >>> intersection_over_union((0.0, 0.0, 1.0, 0.5), (0.0, 0.0, 1.0, 1.0))
        0.5
    """
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (_area(box) + _area(other) - width * height)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _character_bounds(post: Post) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the bounds of the character span of each entity, by those of its words."""
    if post.text is None or post.offsets is None or post.spans is None:
        raise DataError(f"post {post.id!r} has boxes of character spans, but not both the text and the words' offsets")
    if conflict := contradiction(post.tags or (), post.text, post.offsets, post.spans):
        raise DataError(f"post {post.id!r}: {conflict}")
    found = align_spans(post.text, post.offsets, post.spans)
    pairs = zip(found.entities, found.aligned, strict=True)
    return {(entity.start, entity.end): (start, end) for entity, (start, end, _) in pairs}

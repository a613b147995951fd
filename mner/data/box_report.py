"""Gold boxes in a data set: how many entities they show, and whether they are of the images that are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mner.boxes import gold_entities
from mner.data.entity_boxes import annotated_size
from mner.errors import ImageError
from mner.images import image_size
from mner.posts import Post

_TOLERANCE = 0.02
"""Maximum relative difference of the ratio of the sides: scaled images are rounded to pixels."""


@dataclass(frozen=True, slots=True)
class BoxReport:
    """Counts of gold boxes.

    Args:
        posts: Number of posts with annotated boxes.
        shown: Number of their entities that the image shows.
        not_shown: Number of those that it does not show.
        boxes: Number of boxes.
        other_shape: Posts whose image has another ratio of width to height than the annotated one, so that it is
            cropped, turned or another image.
    """

    posts: int
    shown: int
    not_shown: int
    boxes: int
    other_shape: list[str]


def check_boxes(posts: Sequence[Post]) -> BoxReport | None:
    """Count the gold boxes of posts; ``None`` if no post has annotated boxes.

    Args:
        posts: The posts; images that are there are compared with the annotated ``metadata["image_size"]``.
    """
    annotated = [post for post in posts if post.boxes is not None]
    if not annotated:
        return None
    boxes = [len(entity.boxes or ()) for post in annotated for entity in gold_entities(post)]
    return BoxReport(
        len(annotated),
        sum(map(bool, boxes)),
        boxes.count(0),
        sum(boxes),
        [*map(_other_shape, filter(_differs, annotated))],
    )


def _differs(post: Post) -> bool:
    found, annotated = _size(post), annotated_size(post.metadata)
    if found is None or annotated is None:
        return False
    return bool(abs(found[0] / found[1] * annotated[1] / annotated[0] - 1) > _TOLERANCE)


def _other_shape(post: Post) -> str:
    return f"{post.id}: {post.image} is {_size(post)}, the boxes are of {annotated_size(post.metadata)}"


def _size(post: Post) -> tuple[int, int] | None:
    try:
        return None if post.image is None else image_size(post.image)
    except ImageError:  # which is reported with the images
        return None

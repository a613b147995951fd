"""Posts as HTML: one template that escapes everything, contains no script and loads nothing."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template

from mner.analysis.error_kinds import KIND_NAMES
from mner.display.marked_post import NO_ENTITIES, MarkedPost
from mner.display.plain import describe, label_of
from mner.errors import ImageError
from mner.images import load_image
from mner.posts import Box
from mner.templates import template_environment
from mner.terminal import printable_lines

HUES = {"PER": 212, "LOC": 140, "ORG": 32, "MISC": 285, "OTHER": 285}
"""Hue of the usual types; others are spread over the circle."""
GOLDEN_ANGLE = 137.5
MAX_SIDE = 360
"""Longer side of an embedded image, in pixels."""
QUALITY = 80
FILTERS = {**KIND_NAMES, NO_ENTITIES: "no entities"}


def to_html(
    posts: Sequence[MarkedPost],
    title: str,
    images: bool | str | Path,
    *,
    is_page: bool = True,
    left_out: int = 0,
) -> str:
    """Render posts as HTML.

    Args:
        posts: The posts.
        title: The heading.
        images: Whether images are embedded, or the folder that they are in.
        is_page: Whether to return a whole page instead of a fragment.
        left_out: Number of further posts to mention.
    """
    counted = Counter(kind for post in posts for kind in _entity_kinds(post))
    return _template().render(
        posts=posts,
        title=title,
        is_page=is_page,
        left_out=left_out,
        types=_types(posts),
        hues=_hues(_types(posts)),
        filters={kind: (name, counted[kind]) for kind, name in FILTERS.items() if counted[kind]},
        is_compared=any(post.gold is not None and post.predicted is not None for post in posts),
        images_of=lambda post: _images_of(post, images),
    )


@cache
def _template() -> Template:
    # Line breaks stay: HTML shows them as such, and they cannot forge anything.
    environment = template_environment("mner.display", printable_lines)
    environment.filters.update(describe=describe, label=label_of)
    return environment.get_template("posts.html.jinja")


def _entity_kinds(post: MarkedPost) -> list[str]:
    """The kind of each entity of a post, counted once for a gold and its predicted entity."""
    correct = [each for each in post.predicted or () if each.kind == "correct"]
    empty = [NO_ENTITIES] if NO_ENTITIES in post.kinds else []
    return ["correct"] * len(correct) + [each.kind for each in post.differences] + empty


def _types(posts: Sequence[MarkedPost]) -> dict[str, int]:
    """How many entities of each type there are, gold ones where the post is annotated."""
    counted: Counter[str] = Counter()
    both: set[str] = set()
    for post in posts:
        main = post.predicted if post.gold is None else post.gold
        counted.update(each.entity.type for each in main or () if each.entity)
        both |= {each.entity.type for row in (post.gold, post.predicted) for each in row or () if each.entity}
    return {name: counted[name] for name in sorted(both, key=lambda name: (-counted[name], name))}


def _hues(types: Mapping[str, int]) -> dict[str, int]:
    others = [name for name in sorted(types) if name not in HUES]
    return {**HUES, **{name: round(350 + place * GOLDEN_ANGLE) % 360 for place, name in enumerate(others)}}


def _images_of(post: MarkedPost, images: bool | str | Path) -> list[dict[str, Any]]:
    """The images as data URIs, the first with the boxes of the entities, or why there is none."""
    if images is False:
        return []
    folder = None if images is True else Path(images)
    boxes = [list(_boxes(post)), *([] for _ in post.post.more_images)]
    return [{**_embedded(image, folder), "boxes": on} for image, on in zip(post.post.images, boxes, strict=False)]


def _embedded(image: Path, folder: Path | None) -> dict[str, str]:
    path = image if folder is None else folder / image
    try:
        loaded = load_image(path, [] if folder is None else [folder])
    except ImageError as error:
        reason = str(error).removeprefix(f"{path}: ")
        return {"uri": "", "fault": f"{image.name}: {reason}"}  # the page may be shown to others: no path
    loaded.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    loaded.save(file, "JPEG", quality=QUALITY)
    content = base64.b64encode(file.getvalue()).decode("ascii")
    return {"uri": f"data:image/jpeg;base64,{content}"}


def _boxes(post: MarkedPost) -> Iterator[dict[str, Any]]:
    """The boxes to draw, their places in percent of the image; labels of one box are in rows below each other."""
    rows: Counter[Box] = Counter()
    for is_gold, row in ((True, post.gold), (False, post.predicted)):
        for entity in (each.entity for each in row or () if each.entity):
            for box in entity.boxes or ():
                left, top, right, bottom = box
                sides = {"left": left, "top": top, "width": right - left, "height": bottom - top}
                yield {
                    "is_gold": is_gold,
                    "type": entity.type,
                    "label": f"{entity.text} {entity.type}",
                    "row": rows[box],
                    **{name: f"{100 * value:.2f}" for name, value in sides.items()},
                }
                rows[box] += 1

"""Figures of the boxes that show the entities of a post."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mner.analysis.glyphs import drawable
from mner.extras import extra
from mner.posts import Box, Entity, Post

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"PER": "#7fb8ff", "LOC": "#8fe08f", "ORG": "#ffbf66", "MISC": "#e3a6ff", "OTHER": "#e3a6ff"}
OTHER_COLOUR = "#fff27a"
WIDTH = 4.5  # inches
LABEL = 10  # height of a label, in points
DRAWN = 900
"""Maximum of the longer side of a drawn image, in pixels."""


def draw_entities(image: Image.Image, post: Post, entities: Sequence[Entity]) -> Figure:
    """Draw the boxes of the entities of a post into its image, and its words above.

    Args:
        image: The image of the post.
        post: The post.
        entities: Its entities, with ``boxes``; those without are only marked in the words.

    Returns:
        The figure; save it with ``savefig``.

    Raises:
        ConfigurationError: If matplotlib is not installed.
    """
    small = image.convert("RGB")
    small.thumbnail((DRAWN, DRAWN))
    lines = textwrap.wrap(drawable(marked_words(post, entities)), width=round(WIDTH * 13)) or [""]
    top = 0.17 * len(lines) + 0.1
    height = WIDTH * small.height / small.width
    figure: Figure = import_figure()(figsize=(WIDTH, height + top), dpi=110)
    figure.suptitle("\n".join(lines), fontsize=9, y=1 - 0.05 / (height + top), va="top", parse_math=False)
    axis = figure.add_axes((0, 0, 1, height / (height + top)))
    axis.imshow(np.asarray(small), extent=(0, 1, 1, 0), aspect="auto")
    axis.set_axis_off()
    add_boxes(axis, post, entities, 1, 1)
    return figure


def add_boxes(axis: Axes, post: Post, entities: Sequence[Entity], width: float, height: float) -> None:
    """Draw the boxes of entities, with their words and types, over an image; labels of one box are below each other.

    Args:
        axis: Where the image was drawn.
        post: The post.
        entities: Its entities.
        width: Width of the image, in units of the axis.
        height: Height of the image.
    """
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    labels: Counter[Box] = Counter()
    for entity in entities:
        colour = COLOURS.get(entity.type, OTHER_COLOUR)
        for given in entity.boxes or ():
            x1, y1, x2, y2 = given
            corner = (x1 * width, y1 * height)
            box = Rectangle(corner, (x2 - x1) * width, (y2 - y1) * height, fill=False, edgecolor=colour, linewidth=2)
            box.set_path_effects([withStroke(linewidth=3.5, foreground="black")])  # visible on light images, too
            axis.add_patch(box)
            axis.annotate(
                drawable(f"{post.surface(entity.start, entity.end)} {entity.type}"), corner,
                xytext=(2, -2 - LABEL * labels[given]),
                textcoords="offset points", va="top", fontsize=7, color="black", annotation_clip=True,
                bbox={"facecolor": colour, "alpha": 0.85, "pad": 1, "edgecolor": "none"}, parse_math=False,
            )  # fmt: skip
            labels[given] += 1


def marked_words(post: Post, entities: Sequence[Entity]) -> str:
    """Join the words of a post, with its entities in brackets.

    Example:
        >>> marked_words(Post("1", ("Ann", "Lee", "is", "here")), [Entity("PER", 0, 2)])
        '[Ann Lee PER] is here'
    """
    words = list(post.words)
    for entity in entities:
        words[entity.start] = f"[{words[entity.start]}"
        words[entity.end - 1] += f" {entity.type}]"
    return " ".join(words)


def import_figure() -> Any:
    """Import matplotlib's figure.

    Raises:
        ConfigurationError: If it is not installed.
    """
    with extra("report", "a figure"):
        from matplotlib.figure import Figure
    return Figure

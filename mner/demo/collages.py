"""Collages: pictures of several objects whose boxes are known."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mner.demo.scenes import Scene, file_name
from mner.posts import Box

Corners = tuple[int, int, int, int]

SHAPES = ((1, 1), (4, 3), (3, 4), (4, 5))
SMALLEST, LARGEST = 0.3, 0.62
"""Side of a photograph in a collage, as a fraction of the collage's."""
GAP = 6
"""Minimum pixels between two photographs, and to the edge."""
TRIES = 40


@dataclass(frozen=True)
class Photograph:
    """A scene in a collage.

    Args:
        scene: What it shows.
        corners: Where it is: left, top, right and bottom in pixels of the collage.
    """

    scene: Scene
    corners: Corners


@dataclass(frozen=True)
class Collage:
    """The content of one picture: photographs side by side.

    Args:
        width: In pixels.
        height: In pixels.
        photographs: The photographs, which do not overlap.
        seed: Seed of the backdrop and the quality of the file.
    """

    width: int
    height: int
    photographs: tuple[Photograph, ...]
    seed: int

    @property
    def name(self) -> str:
        """File name of the picture: a digest of the collage."""
        return file_name(self)

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The box of each photograph."""
        width, height = self.width, self.height
        corners = (photograph.corners for photograph in self.photographs)
        return tuple((x1 / width, y1 / height, x2 / width, y2 / height) for x1, y1, x2, y2 in corners)

    def caption(self, rng: random.Random) -> str:
        """Describe the photographs."""
        *others, last = (photograph.scene.thing(rng) for photograph in self.photographs)
        return f"a collage of {' , '.join(others)} and {last}"

    def described(self) -> dict[str, Any]:
        """Return its part of a post's metadata: ``objects``, each with its ``box``."""
        shown = zip(self.photographs, self.boxes, strict=True)
        return {"objects": [{**photograph.scene.described(), "box": box} for photograph, box in shown]}


def plan_collage(rng: random.Random, scenes: Sequence[Scene]) -> Collage:
    """Place scenes at random, as photographs of different sizes that do not overlap.

    Args:
        rng: Random number generator.
        scenes: Two to four scenes.
    """
    longer, (across, down) = rng.randint(240, 360), rng.choice(SHAPES)
    width, height = longer * across // max(across, down), longer * down // max(across, down)
    while (corners := _places(rng, width, height, len(scenes))) is None:
        pass
    photographs = tuple(map(Photograph, scenes, corners))
    return Collage(width, height, photographs, rng.getrandbits(32))


def _places(rng: random.Random, width: int, height: int, count: int) -> list[Corners] | None:
    """Try to place so many boxes; ``None`` if the last ones do not fit."""
    placed: list[Corners] = []
    for _ in range(TRIES):
        across, down = (round(side * rng.uniform(SMALLEST, LARGEST)) for side in (width, height))
        left, top = rng.randint(GAP, width - across - GAP), rng.randint(GAP, height - down - GAP)
        box = left, top, left + across, top + down
        if all(_apart(box, other) for other in placed):
            placed.append(box)
        if len(placed) == count:
            return placed
    return None


def _apart(box: Corners, other: Corners) -> bool:
    left, right = max(box[0], other[0]), min(box[2], other[2])
    top, bottom = max(box[1], other[1]), min(box[3], other[3])
    return right + GAP <= left or bottom + GAP <= top

"""A pen that draws shapes in its own coordinates, and the colours it draws with."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import ImageDraw

Colour = tuple[int, ...]
Point = tuple[float, float]

RGB: dict[str, tuple[int, int, int]] = {
    "red": (206, 44, 48),
    "orange": (240, 134, 32),
    "yellow": (246, 207, 58),
    "green": (58, 150, 76),
    "blue": (48, 104, 196),
    "purple": (122, 72, 168),
    "pink": (238, 134, 170),
    "white": (242, 242, 238),
    "black": (38, 38, 42),
    "grey": (150, 156, 164),
    "brown": (122, 82, 50),
}


def shade(colour: Colour, amount: float) -> Colour:
    """Lighten (``amount`` above 0) or darken (below 0) a colour; 1 is white, -1 black."""
    goal = 255 if amount > 0 else 0
    return tuple(round(c + (goal - c) * abs(amount)) for c in colour[:3])


def vary(rng: random.Random, colour: Colour, spread: int = 16) -> Colour:
    """A colour near the given one."""
    return tuple(max(0, min(255, c + rng.randint(-spread, spread))) for c in colour[:3])


@dataclass(frozen=True)
class Pen:
    """Draws in its own coordinates, which an affine transform maps to pixels.

    Args:
        draw: The Pillow drawing.
        x: Pixel column of the origin.
        y: Pixel row of the origin; the y axis points down.
        scale: Pixels per unit.
        angle: Rotation of the axes, in radians.
        mirror: -1 to flip left and right, else 1.
    """

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    scale: float
    angle: float = 0.0
    mirror: int = 1

    def pixels(self, points: Sequence[Point]) -> list[Point]:
        """Map points to pixels."""
        cosine, sine = self.scale * math.cos(self.angle), self.scale * math.sin(self.angle)
        return [
            (self.x + self.mirror * x * cosine - y * sine, self.y + self.mirror * x * sine + y * cosine)
            for x, y in points
        ]

    def at(self, x: float, y: float, scale: float = 1.0, angle: float = 0.0) -> Pen:
        """Return a pen with its origin at ``(x, y)``, scaled and rotated relative to this one."""
        ((pixel_x, pixel_y),) = self.pixels([(x, y)])
        turned = self.angle + self.mirror * angle
        return replace(self, x=pixel_x, y=pixel_y, scale=self.scale * scale, angle=turned)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """Fill a polygon."""
        self.draw.polygon(self.pixels(points), fill=fill)

    def ellipse(self, x: float, y: float, across: float, down: float, fill: Colour) -> None:
        """Fill an ellipse with half axes ``across`` and ``down``."""
        self.arc(x, y, across, down, 0.0, 1.0, fill)

    def arc(
        self, x: float, y: float, across: float, down: float, start: float, end: float, fill: Colour, corners: int = 36
    ) -> None:
        """Fill the part of an ellipse between two angles in turns, 0 pointing right and 0.25 down."""
        steps = [2 * math.pi * (start + (end - start) * i / corners) for i in range(corners + 1)]
        self.polygon([(x + across * math.cos(t), y + down * math.sin(t)) for t in steps], fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour, round_by: float = 0.0) -> None:
        """Fill a rectangle, its corners rounded by a radius."""
        if not round_by:
            self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill)
            return
        corners = (
            (right - round_by, bottom - round_by, 0),
            (left + round_by, bottom - round_by, 1),
            (left + round_by, top + round_by, 2),
            (right - round_by, top + round_by, 3),
        )
        points = [
            (
                x + round_by * math.cos(math.pi * (quarter / 2 + i / 12)),
                y + round_by * math.sin(math.pi * (quarter / 2 + i / 12)),
            )
            for x, y, quarter in corners
            for i in range(7)
        ]
        self.polygon(points, fill)

    def line(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        """Draw a line with round ends and joints, ``width`` units wide."""
        pixels = self.pixels(points)
        thick = max(1, round(width * self.scale))
        self.draw.line(pixels, fill=fill, width=thick)
        if thick > 3:
            radius = thick / 2 - 0.5
            for x, y in pixels:
                self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

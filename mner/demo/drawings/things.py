"""Things that no post mentions, the distractors of grounded posts: plants, cups, balloons, umbrellas."""

from __future__ import annotations

import math
import random

from mner.demo.drawings.canvas import Colour, Pen, shade, vary
from mner.demo.drawings.products import centred, shadow


def plant(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A plant in a pot."""
    body = centred(pen, width, rng, 0.42, 0.06)
    shadow(body, 0, 1, 0.6)
    leaf = vary(rng, (60, 140, 70), 24)
    for index in range(rng.randint(5, 9)):
        angle = math.pi * (0.12 + 0.76 * rng.random())
        reach = rng.uniform(0.6, 1.1)
        tip = (reach * math.cos(angle), 0.2 - reach * math.sin(angle))
        body.line([(0, 0.25), (tip[0] * 0.6, tip[1] * 0.5), tip], 0.05, shade(leaf, -0.3))
        body.at(*tip, 1, -angle).ellipse(0, 0, 0.3, 0.13, shade(leaf, 0.1 * (index % 3 - 1)))
    body.polygon([(-0.42, 0.25), (0.42, 0.25), (0.3, 1), (-0.3, 1)], colour)
    body.box(-0.48, 0.2, 0.48, 0.38, shade(colour, -0.2), 0.05)


def cup(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A cup of coffee with its handle."""
    body = centred(pen, width, rng, 0.42, 0.08)
    shadow(body, 0, 0.82, 0.75)
    body.ellipse(0.7, 0.1, 0.34, 0.36, shade(colour, -0.15))
    body.ellipse(0.7, 0.1, 0.2, 0.22, shade(colour, -0.6))
    body.polygon([(-0.68, -0.5), (0.68, -0.5), (0.5, 0.78), (-0.5, 0.78)], colour)
    body.ellipse(0, -0.5, 0.68, 0.2, shade(colour, -0.25))
    body.ellipse(0, -0.48, 0.58, 0.15, vary(rng, (84, 52, 34), 14))


def balloons(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """One to four balloons on strings."""
    body = centred(pen, width, rng, 0.42, 0.05)
    for _ in range(rng.randint(1, 4)):
        x, y, size = rng.uniform(-0.5, 0.5), rng.uniform(-0.6, -0.1), rng.uniform(0.35, 0.5)
        shown = vary(rng, colour, 30)
        body.line([(x, y + size), (x * 0.4, 0.5), (0, 1)], 0.025, (70, 70, 74))
        body.ellipse(x, y, size * 0.82, size, shown)
        body.polygon([(x, y + size * 0.95), (x - 0.07, y + size + 0.1), (x + 0.07, y + size + 0.1)], shown)
        body.ellipse(x - size * 0.3, y - size * 0.4, size * 0.14, size * 0.2, shade(shown, 0.5))


def umbrella(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """An open umbrella."""
    body = centred(pen, width, rng, 0.42, 0.35)
    body.line([(0, -0.8), (0, 0.75), (0.1, 0.9), (0.24, 0.75)], 0.06, (70, 50, 40))
    body.arc(0, 0, 1, 0.85, 0.5, 1.0, colour)
    for index in range(4):
        x = -0.75 + 0.5 * index
        if index % 2:
            body.polygon([(0, -0.85), (x - 0.25, 0), (x + 0.25, 0)], shade(colour, -0.2))
        body.arc(x, 0.02, 0.25, 0.1, 0.5, 1.0, shade(colour, -0.45))


DRAWERS = {"plant": plant, "cup": cup, "balloons": balloons, "umbrella": umbrella}

"""Organisations: shops, logos, offices, billboards, stalls, crests. Lettering is scribbled, never readable."""

from __future__ import annotations

import math
import random

from mner.demo.drawings.canvas import RGB, Colour, Pen, Point, shade, vary


def contrast(colour: Colour) -> Colour:
    """White on dark colours, near black on light ones."""
    return (34, 34, 38) if sum(colour[:3]) > 560 else (248, 248, 244)


def corners(number: int, radius: float, inner: float | None = None) -> list[Point]:
    """A regular polygon around the origin, or a star if there is an inner radius."""
    steps = number if inner is None else 2 * number
    radii = [radius if inner is None or i % 2 == 0 else inner for i in range(steps)]
    turns = [2 * math.pi * i / steps - math.pi / 2 for i in range(steps)]
    return [(r * math.cos(t), r * math.sin(t)) for r, t in zip(radii, turns, strict=True)]


def scribble(pen: Pen, rng: random.Random, left: float, right: float, y: float, high: float, fill: Colour) -> None:
    """A line of strokes that looks like lettering and spells nothing."""
    x = left
    while x < right - high * 0.5:
        wide = high * rng.uniform(0.35, 0.7)
        kind = rng.random()
        if kind < 0.4:
            pen.box(x, y, x + wide * 0.3, y + high, fill)
            pen.box(x, y + high * rng.choice((0, 0.4, 0.8)), x + wide, y + high * 0.22 + high * 0.4, fill)
        elif kind < 0.7:
            pen.ellipse(x + wide / 2, y + high / 2, wide / 2, high / 2, fill)
        else:
            pen.polygon([(x, y + high), (x + wide / 2, y), (x + wide, y + high)], fill)
        x += wide + high * 0.2


def mark(pen: Pen, rng: random.Random, colour: Colour, second: Colour) -> None:
    """An abstract sign of radius 1 around the origin."""
    kind = rng.randrange(7)
    if kind == 0:
        pen.ellipse(0, 0, 1, 1, colour)
        pen.ellipse(0.25, -0.1, 0.7, 0.7, second)
    elif kind == 1:
        pen.polygon(corners(6, 1), colour)
        pen.polygon(corners(rng.choice((3, 6)), 0.55), second)
    elif kind == 2:
        for index in range(3):
            pen.box(-0.9 + 0.65 * index, 0.5 - 0.6 * index, -0.4 + 0.65 * index, 0.9, shade(colour, 0.15 * index))
    elif kind == 3:
        pen.polygon([(-1, 0.3), (-0.2, 0.8), (1, -0.8), (-0.25, 0.3)], colour)
    elif kind == 4:
        pen.ellipse(0, 0, 1, 1, colour)
        pen.polygon(corners(5, 0.75, 0.3), second)
    elif kind == 5:
        for index in range(rng.choice((4, 5, 6))):
            petal = pen.at(0, 0, 1, 2 * math.pi * index / 5)
            petal.ellipse(0, -0.55, 0.26, 0.45, shade(colour, 0.25 * (index % 2)))
    else:
        pen.box(-0.9, -0.9, 0.9, 0.9, colour, 0.3)
        pen.arc(0, 0.2, 0.6, 0.6, 0.5, 1.0, second)
        pen.box(-0.6, 0.3, 0.6, 0.5, second)


def card(pen: Pen, width: float, rng: random.Random, ground: Colour) -> Pen:
    """A card or a disc in the middle of the picture; returns a pen whose unit is a logo's radius on it."""
    size = min(width, 1) * rng.uniform(0.2, 0.3)
    middle = pen.at(width * rng.uniform(0.42, 0.58), rng.uniform(0.4, 0.52), size, rng.uniform(-0.1, 0.1))
    square = rng.random() < 0.65
    for shift, fill in ((0.05, (*shade(ground, -0.5), 120)), (0.0, ground)):
        if square:
            middle.box(shift - 1.6, shift - 1.5, shift + 1.6, shift + 1.9, fill, 0.2)
        else:
            middle.ellipse(shift, 0.2 + shift, 1.75, 1.75, fill)
    return middle


def emblem(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A logo on a card or a disc, often with lettering below."""
    ground, ink = contrast(colour), colour
    if rng.random() < 0.4:
        ground, ink = ink, ground
    middle = card(pen, width, rng, ground)
    mark(middle, rng, ink, ground)
    if rng.random() < 0.8:
        scribble(middle, rng, -0.95, 0.95, 1.2, rng.uniform(0.2, 0.35), ink)


def crest(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A shield with a band and a mark, on a card or a disc, often with lettering below."""
    outline = [(-0.95, -1.0), (0, -1.15), (0.95, -1.0), (0.9, 0.2), (0.6, 0.8), (0, 1.25), (-0.6, 0.8), (-0.9, 0.2)]
    ground = contrast(colour)
    middle = card(pen, width, rng, ground)
    shield = middle.at(0, -0.1, 0.95)
    shield.polygon(outline, shade(colour, -0.4))
    shield.at(0, 0, 0.92).polygon(outline, colour)
    second = vary(rng, RGB[rng.choice(("yellow", "white", "blue", "red"))], 10)
    if rng.random() < 0.5:
        shield.polygon([(-0.2, -1.0), (0.2, -1.0), (0.2, 1.0), (0, 1.14), (-0.2, 1.0)], second)
    else:
        shield.polygon([(-0.87, -0.25), (0.87, -0.25), (0.84, 0.2), (-0.84, 0.2)], second)
    mark(shield.at(0, -0.05, 0.42), rng, ground, shade(colour, -0.3))
    if rng.random() < 0.8:
        scribble(middle, rng, -0.85, 0.85, 1.3, 0.25, shade(colour, -0.2))


def sign(pen: Pen, rng: random.Random, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    """A sign with a mark and lettering."""
    high = bottom - top
    pen.box(left, top, right, bottom, colour, high * 0.12)
    ink = contrast(colour)
    mark(pen.at(left + high * 0.6, (top + bottom) / 2, high * 0.33), rng, ink, colour)
    scribble(pen, rng, left + high * 1.15, right - high * 0.2, top + high * 0.3, high * 0.4, ink)


def awning(pen: Pen, left: float, right: float, top: float, high: float, colour: Colour, stripes: int) -> None:
    """A striped canvas roof with a scalloped edge."""
    wide = (right - left) / stripes
    for index in range(stripes):
        x, fill = left + wide * index, colour if index % 2 == 0 else (246, 244, 238)
        lean = 0.04 * ((index + 0.5) / stripes - 0.5)
        pen.polygon([(x, top), (x + wide, top), (x + wide + lean, top + high), (x + lean, top + high)], fill)
        pen.arc(x + wide / 2 + lean, top + high, wide / 2, wide * 0.4, 0, 0.5, shade(fill, -0.08))


def goods(pen: Pen, rng: random.Random, left: float, right: float, foot: float, size: float) -> None:
    """A row of boxes, fruit or bottles."""
    x = left
    while x < right - size:
        fill = vary(rng, RGB[rng.choice(("red", "orange", "yellow", "green", "pink", "brown", "blue"))])
        if rng.random() < 0.5:
            pen.ellipse(x + size / 2, foot - size / 2, size / 2, size / 2, fill)
        else:
            pen.box(x, foot - size * rng.uniform(0.7, 1.5), x + size * 0.8, foot, fill)
        x += size * rng.uniform(1.0, 1.5)


def storefront(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """The front of a shop: sign, awning, window, door."""
    half = min(width * 0.48, rng.uniform(0.45, 0.65))
    middle, foot, top = width / 2 + rng.uniform(-0.05, 0.05), rng.uniform(0.86, 0.92), rng.uniform(0.16, 0.28)
    left, right = middle - half, middle + half
    pen.box(0, foot, width, 1, vary(rng, (168, 164, 158), 12))
    pen.box(
        left, top, right, foot, vary(rng, rng.choice(((90, 74, 62), (226, 218, 200), (70, 84, 90), (150, 100, 80))))
    )
    sign(pen, rng, left + 0.03, top + 0.02, right - 0.03, top + 0.16, colour)
    door = rng.choice((left + 0.05, right - 0.05 - 0.4 * half))
    window = (left + 0.05 + (0.5 * half if door < middle else 0), right - 0.05 - (0 if door < middle else 0.5 * half))
    glass = vary(rng, (176, 204, 216), 14)
    pen.box(window[0], top + 0.24, window[1], foot - 0.1, glass)
    goods(pen, rng, window[0] + 0.02, window[1], foot - 0.1, rng.uniform(0.06, 0.1))
    pen.polygon(
        [
            (window[0], top + 0.5),
            (window[0] + 0.15, top + 0.24),
            (window[0] + 0.22, top + 0.24),
            (window[0], top + 0.6),
        ],
        (255, 255, 255, 90),
    )
    pen.box(door, top + 0.24, door + 0.4 * half, foot, shade(colour, -0.35))
    pen.box(door + 0.03, top + 0.28, door + 0.4 * half - 0.03, foot - 0.16, glass)
    pen.ellipse(door + 0.34 * half, foot - 0.1, 0.012, 0.012, (230, 200, 120))
    if rng.random() < 0.75:
        awning(pen, left, right, top + 0.17, rng.uniform(0.08, 0.13), vary(rng, colour, 10), rng.choice((7, 9, 11)))


def stall(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A market stall: striped roof on posts, a sign, a counter with goods."""
    half = min(width * 0.45, rng.uniform(0.4, 0.55))
    middle, foot, top = width / 2 + rng.uniform(-0.05, 0.05), rng.uniform(0.88, 0.95), rng.uniform(0.12, 0.2)
    left, right = middle - half, middle + half
    pen.box(left + 0.04, top, right - 0.04, foot, (70, 60, 54))
    for x in (left + 0.03, right - 0.05):
        pen.box(x, top, x + 0.025, foot, (120, 88, 60))
    goods(pen, rng, left + 0.06, right - 0.05, 0.52, 0.07)
    pen.box(left + 0.05, 0.52, right - 0.05, 0.545, (140, 104, 72))
    goods(pen, rng, left + 0.05, right - 0.04, 0.7, 0.09)
    pen.box(left, 0.7, right, foot, vary(rng, (176, 130, 86), 14))
    sign(pen, rng, left + 0.08, 0.735, right - 0.08, 0.85, colour)
    awning(pen, left - 0.03, right + 0.03, top, rng.uniform(0.14, 0.18), vary(rng, colour, 10), rng.choice((7, 9)))


def headquarters(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A glass block with a big sign on it."""
    half = min(width * 0.44, rng.uniform(0.32, 0.55))
    middle, foot, top = width * rng.uniform(0.45, 0.55), rng.uniform(0.86, 0.93), rng.uniform(0.2, 0.34)
    left, right = middle - half, middle + half
    pen.box(0, foot, width, 1, vary(rng, (176, 174, 168), 10))
    glass = vary(rng, rng.choice(((110, 150, 180), (90, 120, 130), (150, 180, 196))))
    pen.box(left, top, right, foot, shade(glass, -0.4))
    columns, rows = rng.randint(6, 11), rng.randint(5, 8)
    wide, high = 2 * half / columns, (foot - top) / rows
    for row in range(rows):
        for column in range(columns):
            x, y = left + wide * column, top + high * row
            pen.box(x + 0.006, y + 0.006, x + wide - 0.006, y + high - 0.006, shade(glass, rng.uniform(-0.15, 0.35)))
    pen.box(middle - 0.09, foot - high, middle + 0.09, foot, (60, 64, 70))
    if rng.random() < 0.5:
        sign(pen, rng, left + 0.05, top - 0.15, right - 0.05, top - 0.01, colour)
    else:
        sign(pen, rng, middle - 0.7 * half, top + 0.05, middle + 0.7 * half, top + 0.21, colour)
    for x in (left - 0.06, right + 0.06):
        pen.line([(x, foot), (x, foot - 0.35)], 0.008, (200, 200, 204))
        pen.polygon([(x, foot - 0.35), (x + 0.14, foot - 0.33), (x, foot - 0.25)], colour)


def billboard(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A board on posts with a mark and lettering."""
    half = min(width * 0.44, rng.uniform(0.42, 0.6))
    middle, top = width * rng.uniform(0.47, 0.53), rng.uniform(0.1, 0.2)
    bottom = top + half * rng.uniform(0.7, 1.0)
    for x in (middle - half * 0.5, middle + half * 0.5):
        pen.box(x - 0.025, bottom, x + 0.025, 1, (92, 94, 98))
    board = pen.at(middle, (top + bottom) / 2, 1, rng.uniform(-0.03, 0.03))
    high = (bottom - top) / 2
    board.box(-half - 0.02, -high - 0.02, half + 0.02, high + 0.02, (60, 62, 66))
    board.box(-half, -high, half, high, colour)
    ink = contrast(colour)
    mark(board.at(-half * 0.5, 0, high * 0.55), rng, ink, vary(rng, RGB[rng.choice(("yellow", "blue", "red"))]))
    for line, y in enumerate((-0.4, 0.05, 0.35)):
        scribble(
            board, rng, half * 0.05, half * rng.uniform(0.6, 0.9), y * high, high * (0.3 if line == 0 else 0.18), ink
        )
    for x in (-0.6, 0.0, 0.6):
        board.line(
            [(x * half, -high - 0.02), (x * half, -high - 0.07), (x * half + 0.03, -high - 0.07)], 0.012, (70, 70, 74)
        )


DRAWERS = {
    "storefront": storefront,
    "stall": stall,
    "emblem": emblem,
    "crest": crest,
    "headquarters": headquarters,
    "billboard": billboard,
}

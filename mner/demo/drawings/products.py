"""Products and works: phones, shoes, posters, records, cars."""

from __future__ import annotations

import math
import random

from mner.demo.drawings.canvas import RGB, Colour, Pen, shade, vary

BRIGHT = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")


def shadow(pen: Pen, x: float, y: float, across: float) -> None:
    """The shadow of an object on the ground."""
    pen.ellipse(x, y, across, across * 0.13, (0, 0, 0, 80))


def centred(pen: Pen, width: float, rng: random.Random, size: float, turn: float) -> Pen:
    """A slightly rotated pen in the middle of the picture, whose unit is a fraction of the shorter side."""
    scale = min(width, 1) * size * rng.uniform(0.85, 1.1)
    middle = pen.at(width * rng.uniform(0.45, 0.55), rng.uniform(0.47, 0.57), scale, rng.uniform(-turn, turn))
    return middle if rng.random() < 0.5 else Pen(middle.draw, middle.x, middle.y, middle.scale, middle.angle, -1)


def art(pen: Pen, rng: random.Random, half: float, high: float) -> None:
    """Abstract cover art: stripes, circles, rays or hills on a coloured ground."""
    ground, first, second = (vary(rng, RGB[rng.choice(BRIGHT)], 20) for _ in range(3))
    pen.box(-half, -high, half, high, shade(ground, rng.uniform(-0.5, 0.2)))
    kind = rng.randrange(4)
    if kind == 0:
        for index in range(5):
            pen.box(-half, high * (index / 2.5 - 1), half, high * (index / 2.5 - 0.8), first if index % 2 else second)
    elif kind == 1:
        for radius in (0.8, 0.55, 0.3):
            size = radius * min(half, high)
            pen.ellipse(0, -0.1 * high, size, size, first if radius == 0.55 else second)
    elif kind == 2:
        for index in range(0, 12, 2):
            turns = (2 * math.pi * index / 12, 2 * math.pi * (index + 1) / 12)
            reach = min(half, high)
            pen.polygon([(0, 0), *[(reach * math.cos(t), reach * math.sin(t)) for t in turns]], first)
        pen.ellipse(0, 0, half * 0.35, half * 0.35, second)
    else:
        pen.ellipse(half * 0.3, -high * 0.35, half * 0.3, half * 0.3, second)
        pen.polygon([(-half, high), (-half, high * 0.1), (-half * 0.3, -high * 0.2), (half * 0.5, high)], first)
        pen.polygon(
            [(-half * 0.2, high), (half * 0.5, high * 0.1), (half, high * 0.5), (half, high)], shade(first, -0.3)
        )


def phone(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A phone from the front, or from the back with its cameras."""
    body = centred(pen, width, rng, 0.4, 0.5)
    body.box(-0.47, -0.93, 0.56, 1.08, (0, 0, 0, 70), 0.14)
    body.box(-0.52, -1, 0.52, 1, colour, 0.14)
    body.box(-0.52, -0.5, -0.54, -0.2, shade(colour, -0.4))
    if rng.random() < 0.3:
        body.box(-0.42, -0.9, 0.06, -0.42, shade(colour, -0.25), 0.12)
        for x, y in ((-0.29, -0.77), (-0.29, -0.54), (-0.07, -0.66)):
            body.ellipse(x, y, 0.09, 0.09, (24, 24, 28))
            body.ellipse(x, y, 0.04, 0.04, (80, 90, 120))
        return
    screen = vary(rng, shade(RGB[rng.choice(BRIGHT)], rng.uniform(-0.4, 0.5)), 20)
    body.box(-0.46, -0.94, 0.46, 0.94, (16, 16, 20), 0.1)
    body.box(-0.43, -0.88, 0.43, 0.88, screen, 0.06)
    body.ellipse(0, -0.91, 0.02, 0.02, (70, 70, 80))
    for row in range(rng.randint(3, 6)):
        for column in range(4):
            x, y = -0.32 + 0.215 * column, -0.68 + 0.24 * row
            body.box(x - 0.07, y - 0.07, x + 0.07, y + 0.07, vary(rng, RGB[rng.choice(BRIGHT)]), 0.025)
    body.box(-0.36, 0.66, 0.36, 0.84, shade(screen, 0.4), 0.06)


def sneaker(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A low shoe from the side."""
    shoe = centred(pen, width, rng, 0.42, 0.3)
    shadow(shoe, 0, 0.58, 1.1)
    upper = [
        (-0.95, 0.35),
        (-1.0, -0.1),
        (-0.92, -0.5),
        (-0.5, -0.42),
        (-0.25, -0.35),
        (0.15, -0.05),
        (0.55, 0.08),
        (0.92, 0.2),
        (1.02, 0.38),
    ]
    shoe.polygon(upper, colour)
    shoe.polygon([(-0.92, -0.5), (-0.5, -0.42), (-0.62, -0.3), (-0.9, -0.36)], shade(colour, -0.5))
    shoe.polygon([(0.5, 0.07), (0.92, 0.2), (1.02, 0.38), (0.55, 0.38)], shade(colour, 0.2))
    second = vary(rng, RGB[rng.choice(BRIGHT)])
    if rng.random() < 0.5:
        shoe.polygon([(-0.75, 0.3), (-0.5, 0.32), (0.1, 0.02), (-0.02, -0.06)], second)
    else:
        for x in (-0.55, -0.35, -0.15):
            shoe.polygon([(x, 0.3), (x + 0.1, 0.3), (x + 0.25, -0.2), (x + 0.15, -0.22)], second)
    for index in range(4):
        x, y = -0.3 + 0.14 * index, -0.32 + 0.11 * index
        shoe.line([(x, y), (x + 0.16, y + 0.02)], 0.045, (250, 250, 248))
    shoe.box(-1.0, 0.34, 1.06, 0.56, (246, 244, 240), 0.1)
    shoe.box(-0.98, 0.48, 1.04, 0.58, shade(second, -0.2), 0.04)


def boot(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A high shoe with laces up the front."""
    shoe = centred(pen, width, rng, 0.4, 0.2).at(0, 0.15)
    shadow(shoe, 0.1, 0.68, 1.0)
    upper = [
        (-0.75, 0.5),
        (-0.78, -0.2),
        (-0.72, -1.05),
        (-0.05, -1.0),
        (0.05, -0.35),
        (0.4, 0.05),
        (0.85, 0.2),
        (0.98, 0.5),
    ]
    shoe.polygon(upper, colour)
    shoe.polygon([(-0.72, -1.05), (-0.05, -1.0), (-0.06, -0.9), (-0.72, -0.94)], shade(colour, 0.3))
    shoe.polygon([(0.55, 0.1), (0.85, 0.2), (0.98, 0.5), (0.5, 0.5)], shade(colour, 0.25))
    shoe.ellipse(-0.38, -0.45, 0.17, 0.17, shade(colour, 0.5))
    shoe.line([(-0.75, 0.15), (0.2, 0.2)], 0.03, shade(colour, -0.3))
    for index in range(6):
        y = -0.85 + 0.17 * index
        x = -0.22 + (0.05 if index < 3 else 0.1 * (index - 2))
        shoe.line([(x, y), (x + 0.2, y + 0.03)], 0.04, (250, 250, 248))
    shoe.box(-0.8, 0.46, 1.02, 0.66, vary(rng, (236, 230, 220), 14), 0.08)


def poster(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A framed poster with a picture and lines of lettering."""
    body = centred(pen, width, rng, 0.42, 0.08)
    half, high = 0.68, 1.0
    body.box(-half, -high + 0.06, half + 0.07, high + 0.08, (0, 0, 0, 80))
    body.box(-half, -high, half, high, colour)
    art(body.at(0, -0.2), rng, half * 0.86, high * 0.68)
    ink = (30, 30, 34) if sum(colour) > 420 else (246, 244, 238)
    for line in range(3):
        reach = half * rng.uniform(0.4, 0.8)
        body.box(-reach, 0.6 + 0.12 * line, reach, 0.66 + 0.12 * line, ink)


def album(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A record that slides out of its sleeve."""
    body = centred(pen, width, rng, 0.34, 0.35).at(-0.25, 0)
    disc = body.at(rng.uniform(0.6, 0.95), 0)
    disc.ellipse(0, 0, 0.95, 0.95, (26, 26, 30))
    for radius in (0.82, 0.66, 0.5):
        disc.ellipse(0, 0, radius, radius, (44, 44, 50))
        disc.ellipse(0, 0, radius - 0.03, radius - 0.03, (26, 26, 30))
    disc.ellipse(0, 0, 0.32, 0.32, colour)
    disc.ellipse(0, 0, 0.04, 0.04, (240, 240, 240))
    body.box(-0.96, -0.92, 1.04, 1.06, (0, 0, 0, 80))
    body.box(-1, -1, 1, 1, colour)
    art(body, rng, 0.84, 0.84)


def wheels(pen: Pen, spots: tuple[float, ...], y: float, radius: float) -> None:
    """Wheels with rims."""
    for x in spots:
        pen.ellipse(x, y, radius, radius, (28, 28, 30))
        pen.ellipse(x, y, radius * 0.58, radius * 0.58, (190, 192, 196))
        pen.ellipse(x, y, radius * 0.2, radius * 0.2, (70, 70, 74))


def car(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A car from the side."""
    body = centred(pen, width, rng, 0.44, 0.06)
    shadow(body, 0, 0.46, 1.15)
    roof = rng.uniform(-0.5, -0.4)
    body.polygon([(-0.75, -0.05), (-0.45, roof), (0.25, roof), (0.62, -0.05)], colour)
    for shape in (
        [(-0.62, -0.06), (-0.4, roof + 0.07), (-0.12, roof + 0.07), (-0.12, -0.06)],
        [(-0.05, -0.06), (-0.05, roof + 0.07), (0.22, roof + 0.07), (0.48, -0.06)],
    ):
        body.polygon(shape, (70, 92, 112))
    body.polygon([(-1.08, 0.02), (-0.95, -0.08), (0.65, -0.08), (1.02, 0.05), (1.1, 0.34), (-1.08, 0.34)], colour)
    body.line([(-1.0, 0.14), (1.04, 0.16)], 0.02, shade(colour, -0.25))
    body.line([(-0.08, -0.08), (-0.1, 0.3)], 0.015, shade(colour, -0.3))
    body.box(-0.3, 0.04, -0.18, 0.07, shade(colour, -0.4))
    body.ellipse(1.02, 0.12, 0.06, 0.05, (252, 244, 200))
    body.ellipse(-1.04, 0.1, 0.05, 0.05, (200, 40, 40))
    wheels(body, (-0.62, 0.66), 0.34, 0.23)


def van(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A high, boxy car from the side."""
    body = centred(pen, width, rng, 0.42, 0.05)
    shadow(body, 0, 0.6, 1.15)
    body.polygon(
        [(-1.05, 0.46), (-1.05, -0.52), (-0.95, -0.6), (0.45, -0.6), (0.82, -0.05), (1.06, 0.05), (1.08, 0.46)], colour
    )
    body.box(-1.05, 0.2, 1.08, 0.28, shade(colour, -0.3))
    for left, right in ((-0.95, -0.55), (-0.48, -0.08)):
        body.box(left, -0.46, right, -0.06, (78, 100, 118), 0.04)
    body.polygon([(0.0, -0.46), (0.38, -0.46), (0.66, -0.06), (0.0, -0.06)], (78, 100, 118))
    body.line([(-0.03, -0.55), (-0.03, 0.44)], 0.015, shade(colour, -0.35))
    body.ellipse(1.02, 0.16, 0.05, 0.06, (252, 244, 200))
    wheels(body, (-0.62, 0.66), 0.46, 0.22)


DRAWERS = {
    "phone": phone,
    "sneaker": sneaker,
    "boot": boot,
    "poster": poster,
    "album": album,
    "car": car,
    "van": van,
}

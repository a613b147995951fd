"""Places: skylines, mountains, beaches, streets, maps, harbours, volcanoes."""

from __future__ import annotations

import math
import random

from mner.demo.drawings.canvas import RGB, Colour, Pen, shade, vary

DUSK = {"orange": (250, 214, 150), "pink": (250, 226, 196), "purple": (240, 170, 150), "grey": (226, 228, 230)}


def sky(pen: Pen, width: float, rng: random.Random, colour: Colour, horizon: float) -> None:
    """The sky down to the horizon in bands of colour, with a sun and clouds."""
    colour = vary(rng, colour, 12)
    for band in range(24):
        pen.box(0, horizon * band / 24, width, horizon * (band + 1.2) / 24, shade(colour, 0.12 + 0.55 * band / 24))
    if rng.random() < 0.6:
        x, y, radius = rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, horizon * 0.8), rng.uniform(0.04, 0.09)
        pen.ellipse(x, y, radius * 1.6, radius * 1.6, (255, 250, 220, 70))
        pen.ellipse(x, y, radius, radius, (255, 246, 214))
    for _ in range(rng.randint(0, 4)):
        x, y, long = rng.uniform(0, width), rng.uniform(0.05, horizon * 0.6), rng.uniform(0.08, 0.2)
        for _ in range(4):
            pen.ellipse(
                x + rng.uniform(-long, long), y + rng.uniform(-0.02, 0.02), long * 0.6, 0.03, (255, 255, 255, 150)
            )


def tree(pen: Pen, rng: random.Random, x: float, foot: float, tall: float) -> None:
    """A fir."""
    green = vary(rng, (44, 92, 62), 14)
    pen.box(x - tall * 0.05, foot - tall * 0.2, x + tall * 0.05, foot, (84, 62, 44))
    for layer in range(3):
        top, half = foot - tall * (1 - 0.22 * layer), tall * (0.17 + 0.07 * layer)
        pen.polygon([(x, top), (x + half, top + tall * 0.4), (x - half, top + tall * 0.4)], green)


def tower(
    pen: Pen, rng: random.Random, x: float, wide: float, tall: float, foot: float, colour: Colour, lit: Colour
) -> None:
    """A tall building with windows."""
    top = foot - tall
    pen.box(x, top, x + wide, foot, colour)
    pen.box(x + wide * 0.8, top, x + wide, foot, shade(colour, -0.18))
    roof = rng.random()
    if roof < 0.25:
        pen.polygon([(x, top), (x + wide, top), (x + wide / 2, top - wide * 0.6)], shade(colour, -0.1))
    elif roof < 0.5:
        pen.line([(x + wide / 2, top), (x + wide / 2, top - wide * 0.9)], 0.008, shade(colour, -0.2))
    columns, rows = max(2, int(wide / 0.035)), max(3, int(tall / 0.05))
    for row in range(rows):
        for column in range(columns):
            if rng.random() < 0.75:
                left, up = x + wide * (column + 0.25) / columns, top + tall * (row + 0.3) / rows
                pen.box(left, up, left + wide * 0.5 / columns, up + tall * 0.45 / rows, lit)


def buildings(pen: Pen, width: float, rng: random.Random, foot: float, tallest: float) -> None:
    """Two rows of towers along the whole picture."""
    base = vary(rng, rng.choice(((96, 108, 130), (130, 116, 110), (80, 84, 96), (150, 150, 156))))
    lit = rng.choice(((250, 230, 150), (206, 226, 240), (60, 70, 90)))
    for depth, high in ((0.35, tallest), (0.0, tallest * 0.75)):
        x = -0.05
        while x < width:
            wide = rng.uniform(0.07, 0.18)
            tower(
                pen,
                rng,
                x,
                wide,
                rng.uniform(0.35, 1) * high,
                foot,
                vary(rng, shade(base, depth), 14),
                shade(lit, depth),
            )
            x += wide * rng.uniform(0.9, 1.25)


def skyline(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A city by day or at dusk."""
    ground = rng.uniform(0.82, 0.95)
    sky(pen, width, rng, colour, ground)
    buildings(pen, width, rng, ground, rng.uniform(0.45, 0.75))
    pen.box(0, ground, width, 1, vary(rng, rng.choice(((84, 88, 86), (96, 132, 92), (120, 116, 108)))))


def harbour(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A city across the water, its lights on the waves, a bridge before it."""
    shore = rng.uniform(0.5, 0.62)
    sky(pen, width, rng, colour, shore)
    buildings(pen, width, rng, shore, rng.uniform(0.3, 0.45))
    water = shade(colour, -0.45)
    pen.box(0, shore, width, 1, water)
    for _ in range(40):
        x, y = rng.uniform(0, width), rng.uniform(shore + 0.02, 1)
        pen.box(x, y, x + rng.uniform(0.03, 0.15), y + 0.008, (*shade(colour, rng.uniform(0.1, 0.6)), 150))
    deck, iron = shore + rng.uniform(0.06, 0.16), vary(rng, (150, 66, 54), 30)
    pen.box(0, deck, width, deck + 0.025, iron)
    for x in (0.25 * width, 0.75 * width):
        pen.box(x - 0.015, deck - 0.3, x + 0.015, deck + 0.2, iron)
    for start, end in ((-0.25, 0.25), (0.25, 0.75), (0.75, 1.25)):
        cable = [(width * (start + (end - start) * t / 12), deck - 0.3 * (2 * t / 12 - 1) ** 2) for t in range(13)]
        pen.line(cable, 0.01, iron)
        for x, y in cable:
            pen.line([(x, y), (x, deck)], 0.004, iron)


def ridge(pen: Pen, width: float, rng: random.Random, base: float, tall: float, colour: Colour, snow: bool) -> None:
    """One row of peaks."""
    x = -0.3
    while x < width:
        half, high = rng.uniform(0.18, 0.38), tall * rng.uniform(0.55, 1)
        top = base - high
        pen.polygon([(x, base), (x + half, top), (x + 2 * half, base)], colour)
        pen.polygon([(x + half, top), (x + 2 * half, base), (x + 1.1 * half, base)], shade(colour, -0.18))
        if snow:
            edge = [
                (x + half * (1 + s), top + high * (abs(s) + d))
                for s, d in ((0.3, 0), (0.12, 0.1), (0, -0.02), (-0.14, 0.09), (-0.3, 0))
            ]
            pen.polygon([(x + half, top), *edge], (244, 246, 250))
        x += half * rng.uniform(0.9, 1.5)


def mountain_range(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """Rows of peaks, a lake or a meadow, firs."""
    base = rng.uniform(0.62, 0.78)
    sky(pen, width, rng, colour, base)
    rock = vary(rng, rng.choice(((112, 122, 144), (128, 112, 104), (96, 110, 112))))
    ridge(pen, width, rng, base, rng.uniform(0.4, 0.6), shade(rock, 0.25), True)
    ridge(pen, width, rng, base, rng.uniform(0.15, 0.3), rock, rng.random() < 0.3)
    front = vary(rng, rng.choice(((96, 140, 84), (86, 138, 168), (150, 150, 96))))
    pen.box(0, base, width, 1, front)
    for _ in range(8):
        x, y = rng.uniform(0, width), rng.uniform(base, 1)
        pen.ellipse(x, y, rng.uniform(0.1, 0.4), 0.012, shade(front, rng.uniform(-0.15, 0.2)))
    for _ in range(rng.randint(0, 14)):
        tree(pen, rng, rng.uniform(0, width), rng.uniform(base + 0.03, 1), rng.uniform(0.08, 0.24))


def volcano(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """One snow-capped cone and its image in a lake."""
    base, middle = rng.uniform(0.55, 0.68), rng.uniform(0.35, 0.65) * width
    sky(pen, width, rng, colour, base)
    rock = vary(rng, rng.choice(((96, 104, 128), (116, 96, 96), (84, 96, 92))))
    half, high = rng.uniform(0.5, 0.8), rng.uniform(0.35, 0.48)
    water = shade(colour, -0.2)
    pen.box(0, base, width, 1, water)
    for sign, tint, white in ((-1, rock, (246, 248, 252)), (1, shade(rock, -0.15), shade(colour, 0.5))):
        slope = [(t, base + sign * high * (1 - t) ** 1.5) for t in (0.06, 0.2, 0.4, 0.7, 1.0)]
        right = [(middle + half * t, y) for t, y in slope]
        pen.polygon([*right, *[(2 * middle - x, y) for x, y in reversed(right)]], tint)
        cap = right[:3]
        zigzag = [
            (middle + half * t, base + sign * high * (0.42 if i % 2 else 0.52))
            for i, t in enumerate((0.28, 0.12, -0.05, -0.2))
        ]
        pen.polygon([*cap[:2], *zigzag, *[(2 * middle - x, y) for x, y in reversed(cap[:2])]], white)
    for _ in range(30):
        x, y = rng.uniform(0, width), rng.uniform(base + 0.02, 1)
        pen.box(x, y, x + rng.uniform(0.05, 0.25), y + 0.006, (*shade(water, rng.uniform(-0.2, 0.4)), 130))
    for _ in range(rng.randint(4, 12)):
        x = rng.choice((rng.uniform(0, 0.3), rng.uniform(0.7, 1.0))) * width
        tree(pen, rng, x, 1.02, rng.uniform(0.15, 0.35))


def palm(pen: Pen, rng: random.Random, x: float, foot: float, tall: float) -> None:
    """A palm tree that leans."""
    lean = rng.uniform(-0.3, 0.3) * tall
    trunk = [(x + lean * (t / 8) ** 2, foot - tall * t / 8) for t in range(9)]
    pen.line(trunk, 0.025, vary(rng, (128, 92, 60)))
    top_x, top_y = trunk[-1]
    for leaf in range(8):
        turn, long = 2 * math.pi * leaf / 8 + rng.uniform(-0.2, 0.2), tall * rng.uniform(0.35, 0.5)
        tip = (top_x + long * math.cos(turn), top_y + long * (0.5 * math.sin(turn) + 0.25))
        bend = (top_x + 0.5 * long * math.cos(turn), top_y + long * (0.4 * math.sin(turn) - 0.12))
        pen.polygon([(top_x, top_y - 0.015), bend, tip, (bend[0], bend[1] + 0.05)], vary(rng, (52, 122, 66), 18))


def beach(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """Sea, sand, palms and umbrellas."""
    horizon, shore = rng.uniform(0.4, 0.52), rng.uniform(0.62, 0.75)
    sky(pen, width, rng, colour, horizon)
    sea = vary(rng, rng.choice(((46, 140, 176), (70, 170, 180), (60, 104, 150))))
    pen.box(0, horizon, width, 1, sea)
    pen.box(0, horizon, width, horizon + 0.07, shade(sea, -0.2))
    for _ in range(14):
        x, y = rng.uniform(0, width), rng.uniform(horizon + 0.02, shore)
        pen.ellipse(x, y, rng.uniform(0.04, 0.14), 0.005, (255, 255, 255, 170))
    wave, phase = rng.uniform(0.02, 0.06), rng.uniform(0, 6)
    coast = [(width * t / 20, shore + wave * math.sin(phase + t / 3)) for t in range(21)]
    sand = vary(rng, (232, 206, 156), 12)
    pen.polygon([*coast, (width, 1), (0, 1)], sand)
    pen.line(coast, 0.02, (250, 252, 250))
    for _ in range(rng.randint(0, 3)):
        x, y, half = rng.uniform(0.1, 0.9) * width, rng.uniform(shore + 0.1, 0.95), rng.uniform(0.08, 0.14)
        pen.line([(x, y), (x, y - 1.8 * half)], 0.01, (240, 240, 236))
        for slice_ in range(6):
            fill = RGB[rng.choice(("red", "yellow"))] if slice_ % 2 else (248, 246, 240)
            pen.polygon(
                [
                    (x, y - 2.4 * half),
                    (x + half * (slice_ / 3 - 1), y - 1.5 * half),
                    (x + half * ((slice_ + 1) / 3 - 1), y - 1.5 * half),
                ],
                fill,
            )
    for _ in range(rng.randint(0, 4)):
        palm(
            pen,
            rng,
            rng.choice((rng.uniform(0, 0.3), rng.uniform(0.7, 1.0))) * width,
            rng.uniform(shore + 0.05, 1),
            rng.uniform(0.35, 0.65),
        )


def house(pen: Pen, rng: random.Random, x: float, wide: float, tall: float, foot: float) -> None:
    """A house with a gable, windows and a door."""
    tint = vary(
        rng, rng.choice(((222, 188, 150), (200, 110, 92), (236, 226, 206), (160, 180, 190), (240, 204, 120))), 14
    )
    top = foot - tall
    pen.box(x, top, x + wide, foot, tint)
    pen.polygon(
        [(x - 0.01, top), (x + wide / 2, top - wide * rng.uniform(0.4, 0.7)), (x + wide + 0.01, top)],
        vary(rng, (130, 66, 52), 24),
    )
    floors = max(1, int(tall / 0.13))
    for floor in range(floors):
        for column in range(2):
            left, up = x + wide * (0.16 + 0.42 * column), top + tall * (floor + 0.25) / floors
            if floor < floors - 1 or column:
                pen.box(
                    left - 0.008,
                    up - 0.008,
                    left + wide * 0.26 + 0.008,
                    up + tall * 0.4 / floors + 0.008,
                    (248, 246, 240),
                )
                pen.box(left, up, left + wide * 0.26, up + tall * 0.4 / floors, (96, 124, 146))
            else:
                pen.box(left, up, left + wide * 0.26, foot, vary(rng, (96, 62, 44), 20))


def street(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A row of houses along a road, with lamps and trees."""
    foot = rng.uniform(0.7, 0.8)
    sky(pen, width, rng, colour, foot)
    x = rng.uniform(-0.15, 0)
    while x < width:
        wide = rng.uniform(0.2, 0.32)
        house(pen, rng, x, wide, rng.uniform(0.26, 0.48), foot)
        x += wide + rng.choice((0, 0, 0.03))
    pen.box(0, foot, width, foot + 0.06, (186, 182, 174))
    road = vary(rng, (88, 88, 94), 10)
    pen.box(0, foot + 0.06, width, 1, road)
    for dash in range(int(width / 0.2) + 1):
        middle = (foot + 1.06) / 2
        pen.box(dash * 0.2, middle, dash * 0.2 + 0.1, middle + 0.015, (240, 236, 220))
    for _ in range(rng.randint(1, 4)):
        x = rng.uniform(0, width)
        if rng.random() < 0.5:
            pen.line([(x, foot + 0.04), (x, foot - 0.4), (x + 0.06, foot - 0.42)], 0.012, (54, 56, 60))
            pen.ellipse(x + 0.07, foot - 0.41, 0.025, 0.02, (252, 236, 170))
        else:
            pen.box(x - 0.012, foot - 0.16, x + 0.012, foot + 0.04, (96, 72, 52))
            for _ in range(5):
                pen.ellipse(
                    x + rng.uniform(-0.06, 0.06),
                    foot - 0.22 + rng.uniform(-0.06, 0.06),
                    0.07,
                    0.07,
                    vary(rng, (78, 130, 70)),
                )


def street_map(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """Land, water, roads, parks, and a pin."""
    land = vary(rng, rng.choice(((240, 236, 224), (224, 232, 214), (246, 240, 214))), 8)
    pen.box(0, 0, width, 1, land)
    for _ in range(rng.randint(2, 5)):
        x, y, size = rng.uniform(0, width), rng.random(), rng.uniform(0.05, 0.16)
        pen.box(x - size, y - size * 0.7, x + size, y + size * 0.7, vary(rng, (190, 222, 170), 10), 0.03)
    water = vary(rng, (160, 204, 232), 10)
    level, wave, phase = rng.uniform(0.1, 0.9), rng.uniform(0.05, 0.15), rng.uniform(0, 6)
    river = [(width * t / 16, level + wave * math.sin(phase + t / 2.5)) for t in range(17)]
    if rng.random() < 0.5:
        pen.line(river, rng.uniform(0.05, 0.1), water)
    else:
        pen.polygon([*river, (width, 1.0), (0.0, 1.0)], water)
    turned = pen.at(width / 2, 0.5, 1, rng.uniform(-0.6, 0.6))
    for number, thick, fill in ((14, 0.012, (255, 255, 255)), (3, 0.03, (250, 214, 120))):
        for _ in range(number):
            place = rng.uniform(-1, 1)
            turned.line([(place, -2), (place, 2)] if rng.random() < 0.5 else [(-2, place), (2, place)], thick, fill)
    x, y, size = rng.uniform(0.3, 0.7) * width, rng.uniform(0.45, 0.75), rng.uniform(0.1, 0.17)
    pen.ellipse(x, y, size * 0.5, size * 0.15, (0, 0, 0, 60))
    pen.polygon([(x, y), (x - size * 0.75, y - size * 1.6), (x + size * 0.75, y - size * 1.6)], colour)
    pen.ellipse(x, y - size * 1.8, size * 0.85, size * 0.85, colour)
    pen.ellipse(
        x, y - size * 1.8, size * 0.35, size * 0.35, (252, 252, 250) if max(colour) - min(colour) > 20 else RGB["red"]
    )


DRAWERS = {
    "skyline": skyline,
    "harbour": harbour,
    "range": mountain_range,
    "volcano": volcano,
    "beach": beach,
    "street": street,
    "map": street_map,
}

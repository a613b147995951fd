"""Backdrops of demo pictures, with clutter."""

from __future__ import annotations

import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from mner.demo.drawings.canvas import RGB, Colour, Pen, shade, vary

Size = tuple[int, int]


def gradient(size: Size, top: Colour, bottom: Colour) -> Image.Image:
    """Draw a vertical gradient between two colours."""
    image = Image.new("RGB", (1, 2))
    image.putpixel((0, 0), top[:3])
    image.putpixel((0, 1), bottom[:3])
    return image.resize(size, Image.Resampling.BILINEAR)


def page(image: Image.Image) -> tuple[Pen, float]:
    """A pen whose origin is the picture's upper left corner and unit its height, and the width in such units."""
    return Pen(ImageDraw.Draw(image, "RGBA"), 0, 0, image.height), image.width / image.height


def paint(place: str, rng: random.Random, size: Size) -> Image.Image:
    """Draw a backdrop, coarser than the foreground, as if out of focus."""
    detail = rng.choice((0.2, 0.3, 0.5))
    image = PLACES[place](rng, (max(8, round(size[0] * detail)), max(8, round(size[1] * detail))))
    return image.resize(size, Image.Resampling.BILINEAR)


def studio(rng: random.Random, size: Size) -> Image.Image:
    """A plain backdrop, light or dark, with a few shapes now and then."""
    base = vary(rng, shade(RGB[rng.choice(tuple(RGB))], rng.choice((-0.6, 0.25, 0.55, 0.75))), 20)
    image = gradient(size, shade(base, rng.uniform(-0.2, 0.2)), shade(base, rng.uniform(-0.3, 0.1)))
    pen, width = page(image)
    for _ in range(rng.choice((0, 0, 3, 8))):
        x, y, radius = rng.uniform(0, width), rng.random(), rng.uniform(0.03, 0.25)
        pen.ellipse(x, y, radius, radius, (*shade(base, rng.uniform(-0.4, 0.4)), 120))
    return image


def wall(rng: random.Random, size: Size) -> Image.Image:
    """A brick wall."""
    brick = vary(rng, rng.choice(((160, 84, 66), (188, 170, 150), (120, 116, 120), (196, 120, 84))))
    image = Image.new("RGB", size, shade(brick, 0.45))
    pen, width = page(image)
    height = rng.uniform(0.05, 0.09)
    for row in range(int(1 / height) + 1):
        x = -(row % 2) * height
        while x < width:
            pen.box(x, row * height, x + 1.9 * height, (row + 0.88) * height, vary(rng, brick, 12))
            x += 2 * height
    return image


def park(rng: random.Random, size: Size) -> Image.Image:
    """A lawn under the sky, with trees."""
    sky = vary(rng, rng.choice(((150, 200, 240), (190, 215, 235), (240, 200, 160))))
    image = gradient(size, shade(sky, -0.1), shade(sky, 0.4))
    pen, width = page(image)
    horizon = rng.uniform(0.45, 0.7)
    grass = vary(rng, (104, 160, 78), 24)
    for _ in range(rng.randint(2, 6)):
        x, tall = rng.uniform(0, width), rng.uniform(0.15, 0.35)
        pen.box(x - 0.02, horizon - tall, x + 0.02, horizon, (104, 76, 52))
        for _ in range(5):
            y = horizon - tall + rng.uniform(-0.1, 0.05)
            pen.ellipse(x + rng.uniform(-0.1, 0.1), y, 0.1, 0.09, vary(rng, shade(grass, -0.25)))
    pen.box(0, horizon, width, 1, grass)
    for _ in range(12):
        x, y = rng.uniform(0, width), rng.uniform(horizon, 1)
        pen.ellipse(x, y, rng.uniform(0.05, 0.3), 0.015, shade(grass, rng.uniform(-0.2, 0.2)))
    return image


def room(rng: random.Random, size: Size) -> Image.Image:
    """A room with a window, a framed picture, a lamp."""
    tint = vary(rng, rng.choice(((226, 214, 196), (196, 210, 214), (214, 196, 200), (150, 160, 150))), 12)
    image = gradient(size, tint, shade(tint, -0.15))
    pen, width = page(image)
    floor = rng.uniform(0.75, 0.9)
    pen.box(0, floor, width, 1, vary(rng, (150, 108, 72)))
    left = rng.uniform(0, 0.6) * width
    pen.box(left, 0.12, left + 0.35, 0.55, (250, 250, 246))
    pen.box(left + 0.03, 0.15, left + 0.32, 0.52, vary(rng, (170, 206, 232)))
    pen.box(left + 0.165, 0.12, left + 0.185, 0.55, (250, 250, 246))
    frame = rng.uniform(0, 0.9) * width
    pen.box(frame, 0.2, frame + 0.2, 0.42, vary(rng, (96, 70, 48)))
    pen.box(frame + 0.02, 0.22, frame + 0.18, 0.4, RGB[rng.choice(tuple(RGB))])
    lamp = rng.uniform(0, 1) * width
    pen.line([(lamp, 0.45), (lamp, floor + 0.05)], 0.015, (60, 56, 52))
    pen.polygon([(lamp - 0.05, 0.34), (lamp + 0.05, 0.34), (lamp + 0.09, 0.48), (lamp - 0.09, 0.48)], (250, 226, 160))
    return image


def stage(rng: random.Random, size: Size) -> Image.Image:
    """A dark stage with beams of light."""
    image = gradient(size, (18, 16, 34), (46, 34, 58))
    pen, width = page(image)
    for _ in range(rng.randint(3, 6)):
        top, foot = rng.uniform(0, width), rng.uniform(-0.2, width + 0.2)
        light = RGB[rng.choice(("red", "blue", "purple", "yellow", "pink", "white"))]
        pen.polygon([(top - 0.02, 0), (top + 0.02, 0), (foot + 0.22, 0.95), (foot - 0.22, 0.95)], (*light, 70))
    pen.box(0, rng.uniform(0.82, 0.92), width, 1, (30, 24, 28))
    return image


def lights(rng: random.Random, size: Size) -> Image.Image:
    """Blurry lights in the dark."""
    base = vary(rng, rng.choice(((30, 32, 56), (50, 30, 40), (24, 44, 48), (60, 52, 44))))
    image = gradient(size, base, shade(base, 0.12))
    pen, width = page(image)
    for _ in range(rng.randint(14, 40)):
        radius = rng.uniform(0.015, 0.07)
        light = shade(RGB[rng.choice(("orange", "yellow", "pink", "blue", "white", "red"))], 0.2)
        pen.ellipse(rng.uniform(0, width), rng.random(), radius, radius, (*light, rng.randint(70, 170)))
    return image


def table(rng: random.Random, size: Size) -> Image.Image:
    """A wooden table before a wall, with a cup or a plate."""
    tint = vary(rng, rng.choice(((220, 216, 208), (120, 130, 140), (196, 204, 190))))
    image = gradient(size, tint, shade(tint, -0.2))
    pen, width = page(image)
    top = rng.uniform(0.35, 0.6)
    wood = vary(rng, (156, 106, 64), 22)
    pen.box(0, top, width, 1, wood)
    for _ in range(10):
        y = rng.uniform(top, 1)
        pen.line([(0, y), (width, y + rng.uniform(-0.02, 0.02))], 0.008, shade(wood, rng.uniform(-0.3, 0.1)))
    for _ in range(rng.randint(0, 2)):
        x, y, radius = rng.uniform(0, width), rng.uniform(top + 0.05, 0.9), rng.uniform(0.06, 0.13)
        pen.ellipse(x, y, radius, radius * 0.5, (236, 234, 228))
        pen.ellipse(x, y, radius * 0.75, radius * 0.36, vary(rng, (150, 110, 80), 40))
    return image


PLACES: dict[str, Callable[[random.Random, Size], Image.Image]] = {
    "studio": studio,
    "wall": wall,
    "park": park,
    "room": room,
    "stage": stage,
    "lights": lights,
    "table": table,
}

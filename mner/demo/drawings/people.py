"""People: portraits, standing figures, groups, singers, selfies, teams."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mner.demo.drawings.canvas import RGB, Colour, Pen, shade, vary

SKIN = ((244, 214, 190), (232, 190, 160), (206, 156, 118), (164, 112, 78), (116, 76, 52), (84, 54, 40))
HAIR = ((34, 28, 26), (78, 50, 34), (140, 92, 50), (222, 184, 110), (170, 72, 40), (168, 166, 164))
TROUSERS = ((44, 52, 82), (60, 60, 64), (120, 104, 84), (86, 98, 120))


@dataclass(frozen=True)
class Look:
    """How one person looks: the same from every drawing function."""

    noun: str
    skin: Colour
    hair: Colour
    shirt: Colour

    @classmethod
    def chosen(cls, rng: random.Random, noun: str, shirt: Colour) -> Look:
        """A person of a noun; ``people`` and ``singer`` are men or women."""
        noun = noun if noun in ("man", "woman") else rng.choice(("man", "woman"))
        return cls(noun, vary(rng, rng.choice(SKIN), 8), vary(rng, rng.choice(HAIR), 8), vary(rng, shirt, 10))


def head(pen: Pen, rng: random.Random, look: Look) -> None:
    """A head of height 1 around the origin, with its neck."""
    skin, hair, dark = look.skin, look.hair, shade(look.skin, -0.18)
    long_hair = look.noun == "woman" and rng.random() < 0.75
    if long_hair:
        pen.box(-0.5, -0.5, 0.5, rng.uniform(0.6, 1.0), hair, 0.3)
    elif look.noun == "woman":
        pen.ellipse(0, -0.62, 0.2, 0.18, hair)
    pen.box(-0.16, 0.25, 0.16, 0.8, dark)
    for side in (-1, 1):
        pen.ellipse(side * 0.39, 0.03, 0.07, 0.1, skin)
    pen.ellipse(0, 0, 0.39, 0.5, skin)
    if look.noun == "man" and rng.random() < 0.5:
        pen.arc(0, 0.02, 0.395, 0.5, 0.03, 0.47, hair)
        pen.ellipse(0, 0.12, 0.3, 0.18, skin)
    for side in (-1, 1):
        pen.ellipse(side * 0.15, -0.03, 0.075, 0.048, (250, 250, 248))
        pen.ellipse(side * 0.15, -0.03, 0.036, 0.042, (44, 34, 30))
        pen.line([(side * 0.24, -0.13), (side * 0.15, -0.16), (side * 0.07, -0.13)], 0.035, shade(hair, -0.2))
    pen.polygon([(0, 0), (0.06, 0.15), (-0.05, 0.15)], dark)
    lips = (178, 64, 70) if look.noun == "woman" else shade(skin, -0.4)
    pen.arc(0, 0.24, 0.15, rng.uniform(0.03, 0.12), 0.0, 0.5, lips)
    style = rng.random()
    if look.noun == "man" and style < 0.15:
        pen.arc(0, -0.1, 0.39, 0.42, 0.6, 0.9, shade(skin, 0.2))
    elif look.noun == "man" and style < 0.35:
        cap = vary(rng, RGB[rng.choice(("red", "blue", "black", "green"))])
        pen.arc(0, -0.15, 0.42, 0.42, 0.5, 1.0, cap)
        pen.box(-0.1, -0.2, 0.62, -0.12, shade(cap, -0.25), 0.03)
    else:
        pen.arc(0, -0.06, 0.43, 0.5, 0.53, 0.97, hair)
        if long_hair:
            pen.polygon([(-0.43, -0.2), (-0.3, -0.4), (-0.32, 0.35), (-0.46, 0.5)], hair)
            pen.polygon([(0.43, -0.2), (0.3, -0.4), (0.32, 0.35), (0.46, 0.5)], hair)
    if rng.random() < 0.2:
        for side in (-1, 1):
            pen.ellipse(side * 0.16, -0.03, 0.12, 0.1, (20, 20, 26, 150))
        pen.line([(-0.3, -0.05), (0.3, -0.05)], 0.025, (30, 30, 34))


def bust(pen: Pen, rng: random.Random, look: Look) -> None:
    """Head, shoulders and chest; the origin is the base of the neck, the unit the head's height."""
    wide = 0.85 if look.noun == "man" else 0.72
    shirt = look.shirt
    body = [(-0.2, -0.08), (-wide, 0.12), (-wide - 0.15, 0.5), (-wide - 0.2, 2.2)]
    pen.polygon([*body, *[(-x, y) for x, y in reversed(body)]], shirt)
    for side in (-1, 1):
        pen.ellipse(side * (wide - 0.1), 0.36, 0.27, 0.3, shirt)
        pen.line([(side * (wide - 0.18), 0.75), (side * (wide - 0.15), 2.2)], 0.03, shade(shirt, -0.3))
    head(pen.at(0, -0.68), rng, look)
    detail = rng.random()
    if detail < 0.4:
        pen.polygon([(-0.25, -0.1), (0.25, -0.1), (0, 0.35)], shade(look.skin, -0.1))
    elif detail < 0.7:
        pen.polygon([(-0.3, -0.12), (0, 0.12), (-0.12, 0.34)], shade(shirt, 0.35))
        pen.polygon([(0.3, -0.12), (0, 0.12), (0.12, 0.34)], shade(shirt, 0.35))
        pen.line([(0, 0.2), (0, 2.2)], 0.03, shade(shirt, -0.3))
    else:
        pen.arc(0, -0.1, 0.26, 0.18, 0, 0.5, shade(shirt, -0.25))


def figure(pen: Pen, rng: random.Random, look: Look) -> None:
    """A whole person, five heads tall; the origin is the base of the neck, the unit the head's height."""
    trousers = vary(rng, rng.choice(TROUSERS))
    step = rng.uniform(0.05, 0.35)
    for side in (-1, 1):
        foot = side * (0.2 + step)
        pen.line([(side * 0.24, 1.6), (side * (0.22 + step / 2), 2.6), (foot, 3.55)], 0.42, trousers)
        pen.ellipse(foot + 0.1 * side, 3.72, 0.26, 0.13, (40, 36, 36))
    if look.noun == "woman" and rng.random() < 0.5:
        pen.polygon([(-0.45, 1.4), (0.45, 1.4), (0.72, 2.6), (-0.72, 2.6)], shade(trousers, 0.15))
    reach = rng.choice((0.3, 0.5, 0.9))
    for side in (-1, 1):
        raised = -0.6 if side == 1 and rng.random() < 0.3 else 1.55
        hand = (side * (0.7 + reach * 0.5), raised)
        elbow = (side * (0.72 + reach * 0.4), 0.9 if raised > 0 else 0.35)
        pen.line([elbow, hand], 0.2, look.skin)
        pen.ellipse(*hand, 0.14, 0.15, look.skin)
        pen.line([(side * 0.58, 0.22), elbow], 0.3, shade(look.shirt, -0.1))
    body = [(-0.18, -0.06), (-0.66, 0.1), (-0.56, 0.9), (-0.46, 1.7)]
    pen.polygon([*body, *[(-x, y) for x, y in reversed(body)]], look.shirt)
    head(pen.at(0, -0.66), rng, look)


def portrait(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """One person from the chest up."""
    scale = rng.uniform(0.34, 0.48)
    turned = rng.uniform(-0.08, 0.08)
    bust(
        pen.at(rng.uniform(0.38, 0.62) * width, 0.6 + rng.uniform(0, 0.12), scale, turned),
        rng,
        Look.chosen(rng, noun, colour),
    )


def standing(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """One person from head to foot."""
    scale = rng.uniform(0.155, 0.19)
    figure(
        pen.at(rng.uniform(0.35, 0.65) * width, 1.24 * scale + rng.uniform(0.01, 0.06), scale),
        rng,
        Look.chosen(rng, noun, colour),
    )


def group(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """Three to five people side by side, from head to foot or from the chest up."""
    number = rng.randint(3, 5)
    whole = rng.random() < 0.5
    scale = min(0.16 if whole else 0.3, width / number / (1.5 if whole else 1.7))
    for index in range(number):
        x = width * (index + 0.5 + rng.uniform(-0.1, 0.1)) / number
        y = (1 - 3.85 * scale if whole else 0.68) + rng.uniform(-0.05, 0.03)
        (figure if whole else bust)(pen.at(x, y, scale), rng, Look.chosen(rng, noun, colour))


def singer(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """One person with a microphone at the mouth."""
    scale = rng.uniform(0.3, 0.42)
    look = Look.chosen(rng, noun, colour)
    body = pen.at(rng.uniform(0.4, 0.6) * width, rng.uniform(0.55, 0.65), scale, rng.uniform(-0.15, 0.15))
    bust(body, rng, look)
    side = rng.choice((-1, 1))
    body.line([(side * 0.85, 0.5), (side * 1.0, 1.2)], 0.42, look.shirt)
    body.line([(side * 1.0, 1.2), (side * 0.42, 0.25)], 0.3, shade(look.shirt, -0.08))
    body.line([(side * 0.6, 0.25), (side * 0.16, -0.33)], 0.09, (30, 30, 34))
    body.ellipse(side * 0.16, -0.35, 0.13, 0.13, (70, 70, 76))
    body.ellipse(side * 0.45, 0.1, 0.17, 0.15, look.skin)


def selfie(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """A face that fills the picture, and the arm that holds the camera."""
    look = Look.chosen(rng, noun, colour)
    scale = rng.uniform(0.52, 0.66)
    body = pen.at(rng.uniform(0.42, 0.58) * width, rng.uniform(0.86, 0.96), scale, rng.uniform(-0.2, 0.2))
    bust(body, rng, look)
    side = rng.choice((-1, 1))
    body.line([(side * 0.75, 0.5), (side * 1.5, 0.1)], 0.42, shade(look.shirt, -0.12))
    body.line([(side * 1.3, 0.2), (side * 2.2, -0.4)], 0.3, look.skin)


def team(pen: Pen, width: float, rng: random.Random, noun: str, colour: Colour) -> None:
    """Two rows of people in the same shirt."""
    number = rng.randint(3, 5)
    scale = min(0.24, width / number / 1.55)
    for row, y in enumerate((0.42, 0.74)):
        for index in range(number + row):
            x = width * (index + (0.5 if row else 1.0)) / (number + 1)
            bust(pen.at(x, y + rng.uniform(-0.02, 0.02), scale), rng, Look.chosen(rng, noun, colour))


DRAWERS = {
    "portrait": portrait,
    "standing": standing,
    "group": group,
    "singer": singer,
    "selfie": selfie,
    "team": team,
}

"""Scenes of demo pictures, planned before drawing, so that captions do not need the drawing."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import astuple, dataclass
from typing import Any

# Part of every picture's name: increment it when a drawing changes, or existing folders keep the old pictures.
DRAWINGS_VERSION = 1

DISTRACTOR = "THING"
"""The type of what no post mentions, and only collages show."""
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black")
SKIES = ("blue", "orange", "pink", "purple", "grey")
PLACES = {
    "studio": "",
    "wall": "in front of a brick wall",
    "park": "in a park",
    "room": "in a room",
    "stage": "on a stage",
    "lights": "in front of blurry lights",
    "table": "on a wooden table",
}


@dataclass(frozen=True)
class Style:
    """One way of drawing a type of entity.

    Args:
        type: The entity type that the drawing shows.
        nouns: What it may show; a novel style shows the same as another style of the type, drawn differently.
        phrase: Its description in a caption.
        places: Possible backgrounds, keys of ``PLACES``.
        colours: Possible colours of the main part.
        novel: True if the style is drawn in the test split only.
    """

    type: str
    nouns: tuple[str, ...]
    phrase: str
    places: tuple[str, ...] = ("studio",)
    colours: tuple[str, ...] = COLOURS
    novel: bool = False


PERSON_PLACES = ("studio", "wall", "park", "room", "stage", "lights")
PRODUCT_PLACES = ("studio", "wall", "park", "table", "lights")
SHIRT, SKY, SIGN = "a {noun} in a {colour} shirt", "a {noun} under a {colour} sky", "a {noun} with a {colour} sign"
THING = "a {colour} {noun}"

STYLES = {
    "portrait": Style("PER", ("man", "woman"), SHIRT, PERSON_PLACES),
    "standing": Style("PER", ("man", "woman"), SHIRT, PERSON_PLACES),
    "group": Style("PER", ("people",), "a group of {noun} in {colour} shirts", PERSON_PLACES),
    "singer": Style(
        "PER", ("singer",), "a {noun} in a {colour} shirt with a microphone", ("stage", "lights", "studio")
    ),
    "selfie": Style("PER", ("man", "woman"), SHIRT, PERSON_PLACES, novel=True),
    "team": Style("PER", ("people",), "a team of {noun} in {colour} shirts", PERSON_PLACES, novel=True),
    "skyline": Style("LOC", ("city",), SKY, colours=SKIES),
    "range": Style("LOC", ("mountain",), SKY, colours=SKIES),
    "beach": Style("LOC", ("beach",), SKY, colours=SKIES),
    "street": Style("LOC", ("street",), SKY, colours=SKIES),
    "map": Style("LOC", ("map",), "a {noun} with a {colour} pin"),
    "harbour": Style("LOC", ("city",), SKY, colours=SKIES, novel=True),
    "volcano": Style("LOC", ("mountain",), SKY, colours=SKIES, novel=True),
    "storefront": Style("ORG", ("shop",), SIGN, ("wall", "studio")),
    "emblem": Style("ORG", ("logo",), THING, ("studio", "wall", "lights")),
    "headquarters": Style("ORG", ("office",), SIGN, ("park", "studio")),
    "billboard": Style("ORG", ("billboard",), THING, ("park", "wall", "lights", "studio")),
    "stall": Style("ORG", ("shop",), SIGN, ("park", "wall", "lights"), novel=True),
    "crest": Style("ORG", ("logo",), THING, ("studio", "wall", "lights"), novel=True),
    "phone": Style("MISC", ("phone",), THING, PRODUCT_PLACES),
    "sneaker": Style("MISC", ("shoe",), THING, PRODUCT_PLACES),
    "poster": Style("MISC", ("poster",), THING, ("wall", "room", "studio")),
    "album": Style("MISC", ("record",), THING, ("studio", "wall", "table", "lights")),
    "car": Style("MISC", ("car",), THING, PRODUCT_PLACES),
    "boot": Style("MISC", ("shoe",), THING, PRODUCT_PLACES, novel=True),
    "van": Style("MISC", ("car",), THING, PRODUCT_PLACES, novel=True),
    "plant": Style(DISTRACTOR, ("plant",), "a plant in a {colour} pot", ("studio", "room", "wall")),
    "cup": Style(DISTRACTOR, ("cup",), THING, ("table", "studio", "room")),
    "balloons": Style(DISTRACTOR, ("balloons",), "{colour} {noun}", ("park", "room", "lights", "studio")),
    "umbrella": Style(DISTRACTOR, ("umbrella",), THING, ("park", "wall", "studio")),
}

FRAMES = (
    "{thing} {place}",
    "a picture of {thing}",
    "a close up of {thing} {place}",
    "there is {thing} {place}",
    "a blurry photo of {thing} {place}",
    "a view of {thing} {place}",
    "{thing} {place} , stock photo",
)


@dataclass(frozen=True)
class Scene:
    """The content of one picture.

    Args:
        style: Key of ``STYLES``.
        noun: What is shown, in the caption's words; a noun belongs to one type.
        colour: Colour of the main part.
        place: Background, key of ``PLACES``.
        seed: Seed of everything else: size, position, pose, clutter, noise.
    """

    style: str
    noun: str
    colour: str
    place: str
    seed: int

    @property
    def entity_type(self) -> str:
        """The entity type that the picture shows."""
        return STYLES[self.style].type

    @property
    def novel(self) -> bool:
        """Whether its style is drawn in the test split only."""
        return STYLES[self.style].novel

    @property
    def name(self) -> str:
        """File name of the picture: a digest of the scene, so that an existing file shows this scene."""
        return file_name(self)

    def caption(self, rng: random.Random) -> str:
        """Describe the scene, occasionally with a wrong colour, as captioners do."""
        thing = self.thing(rng)
        return " ".join(rng.choice(FRAMES).format(thing=thing, place=PLACES[self.place]).split())

    def thing(self, rng: random.Random) -> str:
        """Describe what is shown, without the place."""
        style = STYLES[self.style]
        colour = rng.choice(style.colours) if rng.random() < 0.05 else self.colour
        return re.sub(r"\ba (?=[aeiou])", "an ", style.phrase.format(noun=self.noun, colour=colour))

    def described(self) -> dict[str, Any]:
        """Return its part of a post's metadata."""
        return {"shown": self.entity_type, "noun": self.noun, "style": self.style, "novel_style": self.novel}


def file_name(shown: Any) -> str:
    """Name a picture by a digest of its content, so that an existing file shows it."""
    digest = hashlib.sha256(repr((DRAWINGS_VERSION, astuple(shown))).encode())
    return f"{digest.hexdigest()[:16]}.jpg"


def plan_scene(rng: random.Random, entity_type: str, novel: bool = False) -> Scene:
    """Choose the scene for an entity type.

    Args:
        rng: Random number generator.
        entity_type: ``PER``, ``LOC``, ``ORG`` or ``MISC``.
        novel: Choose among the styles of the test split instead of those of all splits.
    """
    names = [name for name, style in STYLES.items() if style.type == entity_type and style.novel == novel]
    name = rng.choice(names)
    style = STYLES[name]
    return Scene(
        name, rng.choice(style.nouns), rng.choice(style.colours), rng.choice(style.places), rng.getrandbits(32)
    )

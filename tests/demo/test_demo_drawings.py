"""The demo posts' drawings: every style draws, varies, and shows its colour; a pretrained encoder tells the types."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from mner.demo.drawings import DRAWERS, draw_scene
from mner.demo.names import TYPES
from mner.demo.scenes import PLACES, STYLES, Scene, plan_scene


def test_every_style_has_a_drawer_and_a_noun_that_training_knows() -> None:
    assert set(DRAWERS) == set(STYLES)
    seen = {(style.type, noun) for style in STYLES.values() for noun in style.nouns if not style.novel}
    types = {noun: entity_type for entity_type, noun in seen}
    assert len(types) == len(seen)
    for style in STYLES.values():
        assert {(style.type, noun) for noun in style.nouns} <= seen
        assert set(style.places) <= set(PLACES)
    novel = Counter(style.type for style in STYLES.values() if style.novel)
    assert novel == dict.fromkeys(TYPES, 2)


@pytest.mark.parametrize("style", STYLES)
def test_a_style_draws_one_scene_alike_and_two_differently(style: str) -> None:
    chosen = STYLES[style]
    scenes = [Scene(style, chosen.nouns[0], chosen.colours[0], chosen.places[0], seed) for seed in (1, 2)]
    pictures = [draw_scene(scene) for scene in scenes]
    assert pictures[0] == draw_scene(scenes[0])
    assert pictures[0] != pictures[1]
    assert all(picture.mode == "RGB" for picture in pictures)
    assert all(len(picture.getcolors(picture.width * picture.height) or ()) > 50 for picture in pictures)


def test_sizes_and_shapes_vary_and_tell_nothing_of_the_type() -> None:
    sizes: dict[str, set[tuple[int, int]]] = {}
    for entity_type in TYPES:
        scenes = [plan_scene(random.Random(seed), entity_type) for seed in range(12)]
        # With equal seeds the four types must get the same sizes.
        scenes = [Scene(s.style, s.noun, s.colour, s.place, seed) for seed, s in enumerate(scenes)]
        sizes[entity_type] = {draw_scene(scene).size for scene in scenes}
    assert len(sizes["PER"]) > 9
    assert all(180 <= max(size) <= 360 and min(size) >= 100 for size in sizes["PER"])
    assert all(found == sizes["PER"] for found in sizes.values())


def test_the_name_of_a_picture_is_its_scene() -> None:
    scene = Scene("portrait", "man", "red", "park", 7)
    others = [Scene("portrait", "man", "red", "park", 8), Scene("portrait", "woman", "red", "park", 7)]
    assert len({scene.name, *(other.name for other in others)}) == 3
    assert scene.name == Scene("portrait", "man", "red", "park", 7).name


def test_captions_are_grammatical() -> None:
    rng = random.Random(0)
    for _ in range(400):
        caption = plan_scene(rng, rng.choice(TYPES), rng.random() < 0.5).caption(rng)
        words = caption.split(" ")
        assert all(words)
        assert "{" not in caption
        for article, word in pairwise(words):
            if article in ("a", "an"):
                assert (article == "an") == (word[0] in "aeiou"), caption

"""Draws the scenes and collages of demo posts with Pillow, varied by their seed."""

from __future__ import annotations

import random

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from mner.demo.collages import Collage
from mner.demo.drawings import organisations, people, places, products, things
from mner.demo.drawings.backdrops import paint, studio
from mner.demo.drawings.canvas import RGB, Pen, vary
from mner.demo.scenes import Scene

DRAWERS = {**people.DRAWERS, **places.DRAWERS, **organisations.DRAWERS, **products.DRAWERS, **things.DRAWERS}
SHAPES = ((1, 1), (4, 3), (3, 4), (3, 2), (2, 3), (16, 9), (4, 5))


def draw(shown: Scene | Collage) -> Image.Image:
    """Draw a scene, or a collage of several."""
    return draw_collage(shown) if isinstance(shown, Collage) else draw_scene(shown)


def draw_collage(collage: Collage) -> Image.Image:
    """Draw a collage: its photographs on a plain backdrop."""
    image = studio(random.Random(f"collage {collage.seed}"), (collage.width, collage.height))
    for photograph in collage.photographs:
        left, top, right, bottom = photograph.corners
        image.paste(draw_scene(photograph.scene, (right - left, bottom - top)), (left, top))
    return image


def draw_scene(scene: Scene, size: tuple[int, int] | None = None) -> Image.Image:
    """Draw a scene.

    Size and shape depend only on the seed, and noise and light have the same distribution for all scenes, so that they
    give no cue to the content.

    Args:
        scene: The scene.
        size: Width and height in pixels, in place of those of its seed.

    Returns:
        An RGB picture; by default its longer side is between 180 and 360 pixels.
    """
    rng = random.Random(f"picture {scene.seed}")
    longer, (across, down) = rng.randint(180, 360), rng.choice(SHAPES)
    width, height = size or (longer * across // max(across, down), longer * down // max(across, down))
    # Drawn at twice the size and reduced, since Pillow does not antialias shapes.
    image = paint(scene.place, rng, (2 * width, 2 * height))
    pen = Pen(ImageDraw.Draw(image, "RGBA"), 0, 0, image.height)
    DRAWERS[scene.style](pen, image.width / image.height, rng, scene.noun, vary(rng, RGB[scene.colour], 14))
    clutter(pen, image.width / image.height, rng)
    return photograph(image.reduce(2), rng)


def clutter(pen: Pen, width: float, rng: random.Random) -> None:
    """Scatter confetti, or nothing, over the picture's edges."""
    for _ in range(rng.choice((0, 0, 6, 20))):
        x, y, size = rng.uniform(0, width), rng.random(), rng.uniform(0.008, 0.025)
        if abs(x / width - 0.5) > 0.3 or abs(y - 0.5) > 0.35:
            pen.at(x, y, size, rng.uniform(0, 3)).box(-1, -0.6, 1, 0.6, RGB[rng.choice(tuple(RGB))])


def photograph(image: Image.Image, rng: random.Random) -> Image.Image:
    """Imitate a cheap camera: light, contrast, occasional blur, grain."""
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.15))
    image = ImageEnhance.Contrast(image).enhance(rng.uniform(0.8, 1.15))
    if rng.random() < 0.25:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.5)))
    grain = Image.frombytes("L", (128, 128), rng.randbytes(128 * 128)).resize(image.size, Image.Resampling.BILINEAR)
    strength = rng.uniform(0.01, 0.12)
    grain = grain.point([round(128 + (level - 128) * strength) for level in range(256)])
    return ImageChops.add(image, Image.merge("RGB", (grain,) * 3), 1, -128)

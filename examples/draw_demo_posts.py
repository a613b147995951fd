"""Draw the images of docs/how-to/demo_data.md: one of each drawing style, and the four of posts with equal words.

Run it as ``python examples/draw_demo_posts.py docs/images``.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from mner.demo import generate_demo_posts
from mner.demo.drawings import draw_scene
from mner.demo.names import TYPES
from mner.demo.scenes import STYLES, Scene
from mner.posts import Post

TILE = 150
COLOURS = {"PER": "#c7dcf7", "LOC": "#c9f0d3", "ORG": "#fbe0c4", "MISC": "#e9cdf7"}
"""Of the marks, as ``mner.render`` colours the types."""


def contact_sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Arrange images in rows of tiles, in few enough colours to make a small file."""
    width = TILE * max(len(row) for row in rows)
    sheet = Image.new("RGB", (width, TILE * len(rows)), "white")
    for down, row in enumerate(rows):
        for across, picture in enumerate(row):
            tile = ImageOps.pad(picture, (TILE - 4, TILE - 4), color="white")
            sheet.paste(tile, (across * TILE + 2, down * TILE + 2))
    return sheet.quantize(96, dither=Image.Dither.NONE)


def with_types(images: list[Image.Image], posts: list[Post]) -> Image.Image:
    """Arrange the images of posts in a row, each over the words of its post with the mention marked.

    The sheet is twice as large as it is shown, for screens of high resolution, and transparent, for dark pages.
    """
    side, height, margin, line = 2 * TILE, 8 * TILE // 3, 12, 64
    sheet = Image.new("RGBA", ((side + margin) * len(posts) - margin, height + line))
    draw, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(22), ImageFont.load_default(16)
    for index, (image, post) in enumerate(zip(images, posts, strict=True)):
        left = index * (side + margin)
        sheet.paste(ImageOps.fit(image, (side, height)), (left, 0))
        mention = post.metadata["mentions"][0]
        name, kind = post.surface(mention["start"], mention["end"]), mention["type"]
        width = draw.textlength(name, font) + draw.textlength(kind, small) + 32
        start = left + (side - width) / 2
        draw.rounded_rectangle((start, height + 14, start + width, height + 52), 8, COLOURS[kind])
        draw.text((start + 12, height + 33), name, "black", font, "lm")
        draw.text((start + width - 12, height + 34), kind, "#333", small, "rm")
    return sheet.quantize(160, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def one_of_each_style(seed: int) -> list[list[Image.Image]]:
    """One row per type and one image per style, those of the test split last."""
    rng = random.Random(seed)
    rows = []
    for entity_type in TYPES:
        row = []
        for name, style in STYLES.items():
            if style.type == entity_type:
                noun, colour, place = map(rng.choice, (style.nouns, style.colours, style.places))
                row.append(draw_scene(Scene(name, noun, colour, place, rng.getrandbits(32))))
        rows.append(row)
    return rows


def same_words(seed: int, folder: str) -> list[Post]:
    """Return the posts of one ambiguous name that has all four types: equal words, four images."""
    groups: dict[str, list[Post]] = {}
    for post in generate_demo_posts(size=60, seed=seed, folder=folder)["train"]:
        if post.metadata["group"] is not None:
            groups.setdefault(post.metadata["group"], []).append(post)
    return next(posts for posts in groups.values() if len(posts) == len(TYPES))


def main() -> None:
    """Draw both sheets into the folder given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write the sheets")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    contact_sheet(one_of_each_style(arguments.seed)).save(arguments.folder / "demo_styles.png", optimize=True)
    with tempfile.TemporaryDirectory() as folder:
        posts = sorted(same_words(arguments.seed, folder), key=lambda post: TYPES.index(post.metadata["shown"]))
        for post in posts:
            print(" ".join(post.words), post.metadata["mentions"][0]["type"], post.contexts["caption"], sep=" | ")
        pictures = [Image.open(post.image) for post in posts if post.image is not None]
        with_types(pictures, posts).save(arguments.folder / "demo_same_words.png", optimize=True)


if __name__ == "__main__":
    main()

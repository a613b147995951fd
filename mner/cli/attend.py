"""``mner attend``: what the words of posts look at in their pictures, drawn and written."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mner.data.readers import read_posts
from mner.errors import ConfigurationError, ImageError
from mner.files import atomic_write
from mner.posts import Post

if TYPE_CHECKING:
    from mner.fusion import FusionModule


def parser() -> argparse.ArgumentParser:
    """The options of ``mner attend``."""
    options = argparse.ArgumentParser(
        prog="mner attend",
        description="Draw the regions of its picture that each word of a post looks at, with the gates of the method, "
        "and write the numbers. Leaves a picture and a JSON file a post.",
    )
    options.add_argument("--checkpoint", required=True, help="what mner fit left, for example runs/0/best.ckpt")
    options.add_argument("--post", required=True, type=Path, help="a file of posts, of any format that mner tag reads")
    options.add_argument("--images", type=Path, help="folder of the images that the posts name")
    options.add_argument("--output", required=True, type=Path, help="folder for the pictures")
    options.add_argument(
        "--of",
        choices=("words", "entities"),
        default="words",
        help="a panel a word, or an entity found (the mean of its words)",
    )
    options.add_argument("--format", nargs="+", choices=("png", "svg", "pdf"), default=["png"], help="of the pictures")
    options.add_argument("--device", help="cpu, cuda, mps (default: cpu)", default="cpu")
    return options


def run(arguments: Sequence[str]) -> None:
    """Draw every post that has a picture.

    Raises:
        ConfigurationError: If the model attends to nothing, or no post has a picture that can be used.
    """
    options = parser().parse_args(arguments[1:])
    from mner.inference.load import load_model
    from mner.inference.post_attention import ATTENDING, attend

    model = load_model(options.checkpoint).to(options.device)
    if model.images is None:
        raise ConfigurationError(
            f"{type(model).__name__} sees no images, so its words look at nothing; methods that attend are {ATTENDING}"
        )
    folder = None if options.images is None else options.images.absolute()
    model.images.stay_inside([folder])
    posts = read_posts(options.post, images=folder)
    drawn = 0
    for name, post in zip(_names(posts), posts, strict=True):
        if not _usable(model, post):
            continue
        record = attend(model, post)
        text = json.dumps(record.to_dict(), indent=2, ensure_ascii=False)
        with atomic_write(options.output / f"{name}.json") as file:
            file.write(text + "\n")
        if not record.looks(options.of):
            print(f"mner attend: {post.id}: no entity was found, so there is nothing to draw", file=sys.stderr)
            continue
        figure = record.draw(options.of)
        for suffix in options.format:
            with atomic_write(options.output / f"{name}.{suffix}", "wb") as drawing:
                figure.savefig(drawing, format=suffix)
            print(options.output / f"{name}.{suffix}")
        drawn += 1
    if not drawn:
        raise ConfigurationError(f"none of the {len(posts)} posts of {options.post} could be drawn; give --images DIR")


def _usable(model: FusionModule, post: Post) -> bool:
    if post.image is None or model.images is None or model.image_encoder is None:
        print(f"mner attend: {post.id}: the post names no image", file=sys.stderr)
        return False
    try:
        model.images.loader(post.image)
        model.image_encoder.image_transform.load(post, model.images.loader)
    except ImageError as error:
        print(f"mner attend: {post.id}: {error}", file=sys.stderr)
        return False
    return True


def _names(posts: Sequence[Post]) -> Iterator[str]:
    """A file name a post, none of them twice."""
    taken: dict[str, int] = {}
    for post in posts:
        name = re.sub(r"[^\w.-]+", "_", post.id) or "post"
        taken[name] = taken.get(name, 0) + 1
        yield name if taken[name] == 1 else f"{name}_{taken[name]}"

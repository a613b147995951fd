"""``mner attend``: the image regions that the words of posts attend to, drawn and written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mner.cli.parsing import OptionParser
from mner.cli.post_options import MODEL_HELP, add_post_options, add_region_file, given_model, given_posts
from mner.devices import ACCELERATOR_HELP
from mner.errors import ConfigurationError, ImageError
from mner.file_names import file_names
from mner.files import atomic_write
from mner.output_paths import protected
from mner.post_json import to_json
from mner.posts import Post
from mner.terminal import printable

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from mner.fusion import FusionModule
    from mner.inference.post_attention import PostAttention


def parser() -> OptionParser:
    """The options of ``mner attend``."""
    options = OptionParser(
        prog="mner attend",
        description="Draw the image regions that each word of a post attends to, with the gates of the method and the "
        "boxes of grounded entities: a figure and a JSON file of the numbers per image of a post.",
    )
    options.add_argument("file", type=Path, help="A file of posts, in any format that mner tag reads.")
    options.add_argument("--ckpt_path", type=Path, required=True, help=MODEL_HELP)
    add_post_options(options)
    add_region_file(options)
    options.add_argument("--output", required=True, type=Path, help="Folder of the figures.")
    options.add_argument(
        "--of",
        type=Literal["entities", "words"],
        default="entities",
        help="A panel per predicted entity (the mean of its words), or per word.",
    )
    options.add_argument(
        "--format", type=list[Literal["png", "svg", "pdf"]], default=["png"], help="Formats of the figures: [png,svg]."
    )
    options.add_argument("--accelerator", type=str, default="auto", help=ACCELERATOR_HELP)
    return options


def run(arguments: Sequence[str]) -> None:
    """Draw every post that has an image.

    Raises:
        ConfigurationError: If the model attends to nothing, or no post has an image that can be used.
    """
    options = parser().parse_args(list(arguments[1:]))
    from mner.inference.post_attention import ATTENDING, attend

    model = given_model(options, ", which has no attention; give the checkpoint")
    if model.image_encoder is None:
        raise ConfigurationError(
            f"{type(model).__name__} sees no images, so its words attend to none; methods that attend are {ATTENDING}"
        )
    posts = given_posts(options)
    chosen = [(post, number) for post in posts for number in _usable(model, post)]
    several = {post.id for post, number in chosen if number}
    names = file_names(f"{post.id}_{number + 1}" if post.id in several else post.id for post, number in chosen)
    with protected(image for post, _ in chosen for image in post.images):
        records = (attend(model, post, number) for post, number in chosen)
        drawn = [_draw(record, options, name) for record, name in zip(records, names, strict=True)]
    if not any(drawn):
        raise ConfigurationError(f"none of the {len(posts)} posts of {options.file} could be drawn; give --images DIR")


def _draw(record: PostAttention, options: Namespace, name: str) -> bool:
    """Write the attention in a post and its figures; return whether there is something to draw."""
    with atomic_write(options.output / f"{name}.json") as file:
        file.write(to_json(record.to_dict(), indent=2) + "\n")
    if not record.looks(options.of):
        _note(record.post, "no entity was predicted, so there is nothing to draw")
        return False
    figure = record.draw(options.of)
    for suffix in options.format:
        with atomic_write(options.output / f"{name}.{suffix}", "wb") as drawing:
            figure.savefig(drawing, format=suffix)
        print(printable(options.output / f"{name}.{suffix}"))
    return True


def _usable(model: FusionModule, post: Post) -> list[int]:
    """The images of a post that can be used, by their number."""
    if post.image is None or model.image_encoder is None:
        _note(post, "the post names no image")
        return []
    images = model.preprocessor.images_of(post)
    return [number for number, image in enumerate(images) if _can_be_used(model, post.with_images([image]))]


def _can_be_used(model: FusionModule, post: Post) -> bool:
    assert model.image_encoder is not None
    loader = model.preprocessor.image_loader
    try:
        loader(post.images[0])
        model.image_encoder.image_transform.load(post, loader)
    except ImageError as error:
        _note(post, error)
        return False
    return True


def _note(post: Post, what: object) -> None:
    print(printable(f"mner attend: {post.id}: {what}"), file=sys.stderr)

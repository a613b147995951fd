"""The options of commands that read posts: their images, their columns and the regions of the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from mner.cli.parsing import OptionParser
from mner.data.columns import COLUMNS_HELP, parse_columns
from mner.devices import device_of
from mner.errors import ConfigurationError
from mner.remote_images import RemoteImages

if TYPE_CHECKING:
    from mner.fusion import FusionModule
    from mner.posts import Post

MODEL_HELP = "A checkpoint, for example runs/0/best.ckpt, a model folder or user/name on a model hub."
MODELS_HELP = (
    "A checkpoint, a model folder or user/name on a model hub; several form an ensemble, whose probabilities are "
    "averaged."
)


def add_image_options(options: OptionParser, whose: str = "the posts name") -> None:
    """Declare ``--images`` and ``--remote_images``."""
    options.add_argument("--images", type=Path | None, default=None, help=f"Folder of the images that {whose}.")
    options.add_argument(
        "--remote_images",
        type=RemoteImages | None,
        default=None,
        help="What images at an address may be fetched into --images, such as --remote_images.protocols [https].",
    )
    options.require("images", "remote_images")


def add_columns(options: OptionParser) -> None:
    """Declare ``--columns``."""
    options.add_argument("--columns", type=str, default=None, nargs="+", help=COLUMNS_HELP)


def add_post_options(options: OptionParser, whose: str = "the posts name") -> None:
    """Declare the options of images and columns."""
    add_image_options(options, whose)
    add_columns(options)


def add_region_file(options: OptionParser) -> None:
    """Declare ``--region_file``."""
    options.add_argument(
        "--region_file",
        type=Path | None,
        default=None,
        help="The file of a model with PrecomputedRegions or DetectedCrops.",
    )


def image_folder(options: Namespace) -> Path | None:
    """Return the absolute path of the image folder, if there is one."""
    return None if options.images is None else options.images.absolute()


def remote_images(options: Namespace) -> RemoteImages | None:
    """Return what images at an address a user allows."""
    return RemoteImages(**options.remote_images) if options.remote_images else None


def given_posts(options: Namespace, **further: Any) -> list[Post]:
    """Read the posts of a command's file.

    Args:
        options: The options, parsed.
        further: Other arguments of :func:`mner.data.readers.read_posts`.

    Raises:
        MNERError: If they cannot be read.
    """
    from mner.data.readers import read_posts

    columns, remote = parse_columns(options.columns), remote_images(options)
    return read_posts(options.file, images=image_folder(options), columns=columns, remote=remote, **further)


def given_model(options: Namespace, if_exported: str) -> FusionModule:
    """Load the model of a command on its device; it reads images from the given folder, regions from the given file.

    Args:
        options: The options, parsed.
        if_exported: Why the command needs a checkpoint, and the remedy, if the model is an exported one.

    Raises:
        MNERError: If it cannot be loaded, or is an exported model.
    """
    from mner.inference.load import load_model
    from mner.vision import use_region_file

    model = load_model(options.ckpt_path)
    if model.runtime == "onnx":
        raise ConfigurationError(f"{options.ckpt_path} is an exported model{if_exported}")
    use_region_file(model.image_encoder, options.region_file)
    model.preprocessor = model.preprocessor.using(image_folders=[image_folder(options)], remote=remote_images(options))
    return model.to(device_of(options.accelerator))

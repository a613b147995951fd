"""Images that posts name and that are not there: reported before training, without opening one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_warn

from mner.data.image_names import ImageFolder, relative_name, with_near
from mner.data.large_sets import image_paths
from mner.errors import DataError
from mner.paths import is_file, is_folder
from mner.posts import Post
from mner.remote_images import address_of
from mner.terminal import printable

_SHOWN = 10


def check_images(
    posts: Sequence[Post], folder: Path | None, max_missing: float = 0.5, described_as: str = "the posts"
) -> None:
    """Warn of images that are not there; refuse if there are too many.

    Args:
        posts: The posts.
        folder: The image folder.
        max_missing: Maximum fraction of missing images that causes only a warning.
        described_as: The posts, for the message.

    Raises:
        DataError: If a larger fraction is missing; names the folder, what is in it, and the images.
    """
    number, missing = 0, []
    for path in image_paths(posts):
        number += 1
        if not is_file(path) and address_of(Path(path)) is None:
            missing.append(Path(path))
    if not missing:
        return
    images = None if folder is None else ImageFolder(folder)
    count = f"{len(missing):,} of the {number:,} images that {described_as} name are not in {_place(images)}"
    shown = ", ".join(_described(path, images) for path in missing[:_SHOWN])
    shown += ", ..." if len(missing) > _SHOWN else ""
    if len(missing) > max_missing * number:
        raise DataError(
            f"{count}: {shown}. Correct the image folder; or, to train on what is there, allow a larger fraction than "
            f"{max_missing:g} with --data.init_args.max_missing_images (max_missing_images=... in Python)"
        )
    rank_zero_warn(printable(f"{count}, so their posts count as posts without an image: {shown}"))


def check_any_image(posts: Sequence[Post], consequence: str) -> None:
    """Refuse posts of which no image is there.

    Args:
        posts: The posts.
        consequence: What follows from it, for the message.

    Raises:
        DataError: If there is none.
    """
    if not any(is_file(image) or address_of(image) for post in posts for image in post.images):
        raise DataError(f"{consequence}: none of the images that they name is there; correct the image folder")


def _described(path: Path, images: ImageFolder | None) -> str:
    if images is None:
        return str(path)
    name = relative_name(path, images.path)
    return with_near(name, images.names.near(name))


def _place(images: ImageFolder | None) -> str:
    if images is None:
        return f"{Path.cwd()}, the working directory, since no image folder is known"
    if not is_folder(images.path):
        return f"{images.path}, which is not a folder"
    if not len(images.names):
        return f"{images.path}, which is empty"
    examples = ", ".join(islice(images.names, 3))
    return (
        f"{images.path} (which has {len(images.names):,} files: {examples}{', ...' if len(images.names) > 3 else ''})"
    )

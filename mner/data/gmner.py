"""GMNER (Yu et al. 2023): CoNLL posts, and one Pascal-VOC XML file per image with the entities' boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

from mner.data.image_names import ImageFolder, ImageNames, relative_name, split_suffix
from mner.errors import FormatError
from mner.paths import is_folder
from mner.posts import Post

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def box_folder(path: Path) -> Path | None:
    """Find the folder ``xml`` next to a text file or next to its folder, which has GMNER's boxes, or ``None``."""
    return next((folder for folder in (path.parent / "xml", path.parent.parent / "xml") if is_folder(folder)), None)


def attach_boxes(posts: Sequence[Post], folder: Path, images: Path | None = None) -> list[Post]:
    """Attach to each post the boxes of its image.

    ``metadata["boxes"]`` becomes a list of ``{"name", "box"}``, with the entity's words as name and the corners
    ``[x1, y1, x2, y2]`` in pixels of the original image as box. A post whose image has no XML file has no such entry:
    none of its entities is visible in the image.

    Args:
        posts: The posts, with their images.
        folder: The folder of ``<image id>.xml``; the file of an image in a subfolder may be in the same subfolder.
        images: The image folder.

    Raises:
        FormatError: If an XML file is malformed, or may be that of several images, as of ``33.jpg`` and ``33.png``.
    """
    files = ImageFolder(folder).names
    found = {image: _box_file(relative_name(image, images), files) for post in posts if (image := post.image)}
    owners: dict[str, list[Path]] = defaultdict(list)
    for image, name in found.items():
        if name is not None:
            owners[name].append(image)
    for name, several in owners.items():
        if len(several) > 1:
            raise FormatError(
                folder / name, None, f"boxes of {' or '.join(map(str, several))}", "Name the file of each image like it"
            )
    boxes = {name: read_boxes(folder / name) for name in owners}
    return [
        replace(post, metadata={**post.metadata, "boxes": boxes[name]})
        if post.image is not None and (name := found[post.image]) is not None
        else post
        for post in posts
    ]


def _box_file(image: str, files: ImageNames) -> str | None:
    name = f"{split_suffix(image)[0]}.xml"
    return files.find(name) or files.find(PurePosixPath(name).name)


def read_boxes(path: Path) -> list[dict[str, Any]]:
    """Read the named boxes of one Pascal-VOC file; an object with several names has a box for each.

    Raises:
        FormatError: If it is not XML, declares entities of its own, or a box lacks a corner.
    """
    raw = path.read_bytes()
    if b"<!ENTITY" in raw:
        raise FormatError(path, None, "an XML entity declaration", "Delete it; boxes need none")
    try:
        root = ElementTree.fromstring(raw)
    except ElementTree.ParseError as error:
        raise FormatError(path, error.position[0], f"invalid XML ({error})", "Correct or delete the file") from error
    boxes = []
    for item in root.iter("object"):
        for box in item.iter("bndbox"):
            try:
                corners = [int(float(box.findtext(corner, ""))) for corner in _CORNERS]
            except ValueError as error:
                raise FormatError(path, None, "a box without all four corners", f"Give {_CORNERS}") from error
            boxes += [{"name": (name.text or "").strip(), "box": corners} for name in item.iter("name")]
    return boxes

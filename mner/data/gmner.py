"""GMNER (Yu et al. 2023): CoNLL posts, and one Pascal-VOC XML file per image with the entities' boxes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from mner.data.entity_boxes import SIZE_KEY, Pixels, fractions
from mner.data.image_names import ImageFolder, ImageNames, relative_name, split_suffix
from mner.errors import FormatError, ImageError
from mner.images import image_size
from mner.labels import spans as spans_of
from mner.paths import is_folder
from mner.post_json import is_number
from mner.posts import Post
from mner.terminal import printable

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SHOWN = 3


@dataclass(frozen=True)
class BoxFile:
    """The content of one Pascal-VOC file.

    Args:
        boxes: Corners ``(x1, y1, x2, y2)`` in pixels, by the name of the object: the words of an entity.
        size: Width and height of the image in pixels, or ``None`` if the file has no size.
    """

    boxes: Mapping[str, Sequence[Pixels]]
    size: tuple[int, int] | None


def box_folder(path: Path) -> Path | None:
    """Find the folder ``xml`` next to a text file or next to its folder, which has GMNER's boxes, or ``None``."""
    return next((folder for folder in (path.parent / "xml", path.parent.parent / "xml") if is_folder(folder)), None)


def attach_boxes(posts: Sequence[Post], folder: Path, images: Path | None = None) -> list[Post]:
    """Attach the gold boxes of entities to posts, by their words joined by spaces.

    Of a name that several entities of a post have, each has all boxes. A post whose image has no file has no shown
    entity: its ``boxes`` are empty. ``metadata["image_size"]`` becomes the width and height of the image in pixels.
    What cannot be attached is counted and reported once.

    Args:
        posts: The posts, with their images and tags; those without tags are unchanged.
        folder: The folder of ``<image id>.xml``; the file of an image in a subfolder may be in the same subfolder.
        images: The image folder.

    Returns:
        The posts; unchanged if the folder has no file for any of them.

    Raises:
        FormatError: If an XML file is malformed, has boxes but no size, and neither has the image, or may be that of
            several images, as of ``33.jpg`` and ``33.png``.
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
    if not owners:
        from pytorch_lightning.utilities import rank_zero_warn  # which imports PyTorch

        rank_zero_warn(printable(f"{folder}: none of its files is that of an image of these posts; they have no boxes"))
        return list(posts)
    contents = {images_[0]: (folder / name, read_boxes(folder / name)) for name, images_ in owners.items()}
    notes: Counter[str] = Counter()
    unmatched: dict[Path, set[str]] = {image: set(content.boxes) for image, (_, content) in contents.items()}
    attached = []
    for post in posts:
        if post.tags is None:
            attached.append(post)
        elif post.image is None or post.image not in contents:
            attached.append(replace(post, boxes={}))
        else:
            path, content = contents[post.image]
            bounds = _bounds_by_name(post)
            unmatched[post.image] -= bounds.keys()
            attached.append(_with_boxes(post, path, content, bounds, notes))
    _report(folder, posts, unmatched, notes)
    return attached


def read_boxes(path: Path) -> BoxFile:
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
    boxes: dict[str, list[Pixels]] = {}
    for item in root.iter("object"):
        for box in item.iter("bndbox"):
            try:
                x1, y1, x2, y2 = (float(box.findtext(corner, "")) for corner in _CORNERS)
            except ValueError as error:
                raise FormatError(path, None, "a box without all four corners", f"Give {_CORNERS}") from error
            for name in item.iter("name"):
                boxes.setdefault(" ".join((name.text or "").split()), []).append((x1, y1, x2, y2))
    try:
        width, height = (int(root.findtext(f"size/{side}", "0")) for side in ("width", "height"))
    except ValueError as error:
        raise FormatError(path, None, "a size that is not in whole pixels", "Give width and height") from error
    return BoxFile(boxes, (width, height) if all(side > 0 and is_number(side) for side in (width, height)) else None)


def _box_file(image: str, files: ImageNames) -> str | None:
    name = f"{split_suffix(image)[0]}.xml"
    return files.find(name) or files.find(PurePosixPath(name).name)


def _bounds_by_name(post: Post) -> dict[str, list[tuple[int, int]]]:
    """Return the spans of a post's entities, by their words."""
    bounds: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for entity in spans_of(post.tags or ()):
        name = " ".join(" ".join(post.words[entity.start : entity.end]).split())
        bounds[name].append((entity.start, entity.end))
    return bounds


def _with_boxes(
    post: Post, path: Path, content: BoxFile, bounds: Mapping[str, list[tuple[int, int]]], notes: Counter[str]
) -> Post:
    shown = {name: content.boxes[name] for name in bounds if name in content.boxes}
    if not shown:
        return replace(post, boxes={})
    size = content.size
    try:
        size = size or image_size(post.image or "")
    except ImageError as error:
        raise FormatError(path, None, f"no size of the image ({error})", "Give <size>, or the image") from error
    notes["posts in which several entities have the name of a box; each of them has the box"] += any(
        len(bounds[name]) > 1 for name in shown
    )
    boxes = fractions({place: pixels for name, pixels in shown.items() for place in bounds[name]}, size, notes)
    return replace(post, boxes=boxes, metadata={**post.metadata, SIZE_KEY: list(size)})


def _report(folder: Path, posts: Sequence[Post], unmatched: Mapping[Path, set[str]], notes: Counter[str]) -> None:
    names = [f"{name!r} of {image}" for image, several in unmatched.items() for name in sorted(several)]
    if names:
        named = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        notes[f"names that match no entity, so that their boxes are left out: {named}"] += len(names)
    notes["posts without tags, to which no boxes were attached"] += sum(post.tags is None for post in posts)
    for what, count in notes.items():
        if count:
            from pytorch_lightning.utilities import rank_zero_warn  # which imports PyTorch

            rank_zero_warn(printable(f"{folder}: {count} {what}"))

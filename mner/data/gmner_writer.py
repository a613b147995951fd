"""Writing posts with gold boxes in the format of GMNER: CoNLL, and a Pascal-VOC file per image with shown entities."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from mner.data.entity_boxes import SIZE_KEY, annotated_size
from mner.data.gmner import attach_boxes
from mner.data.image_names import relative_name, split_suffix
from mner.data.writers import write_conll
from mner.errors import DataError, ImageError
from mner.files import atomic_write
from mner.images import image_size
from mner.posts import Boxes, Post

_PRECISION = 1e-6  # of fractions that are converted to pixels and back


def write_gmner(
    posts: Iterable[Post], folder: str | Path, split: str, *, images: str | Path | None = None
) -> list[Path]:
    """Write a split as ``txt/<split>.txt`` and the boxes as ``xml/<image id>.xml``.

    Boxes are written in pixels. The size of an image is its post's ``metadata["image_size"]``, as read from such files,
    or that of the file. An XML file of an earlier split of the same image is replaced, or deleted where the image shows
    no entity.

    Args:
        posts: Annotated posts, each with ``boxes``.
        folder: The folder of the data set.
        split: Name of the split, such as ``train``.
        images: The image folder.

    Returns:
        The files that were written.

    Raises:
        DataError: If a post has no ``boxes``, the size of an image with boxes is unknown, or a post would not read back
            equal: two entities with the same words must have the same boxes.
        OutputError: If a file cannot be written.
    """
    posts, folder = list(posts), Path(folder)
    root = None if images is None else Path(images)
    texts = [
        replace(post, boxes=None, metadata={key: value for key, value in post.metadata.items() if key != SIZE_KEY})
        for post in posts
    ]
    contents = {_xml_name(post, root): _xml(post) for post in posts if post.image is not None}
    with TemporaryDirectory() as draft, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the readers report is in the posts, or is an error here
        write_conll(texts, Path(draft, "posts.txt"), images=images)  # first: refuses names that lead out of the folder
        boxes = Path(draft, "xml")
        for name, content in contents.items():
            if content is not None:
                _write(boxes / name, content)
        _compare(posts, attach_boxes(texts, boxes, root) if any(contents.values()) else texts)
    written = [folder / "txt" / f"{split}.txt"]
    write_conll(texts, written[0], images=images)
    for name, content in contents.items():
        path = folder / "xml" / name
        if content is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, content)
            written.append(path)
    return written


def _xml_name(post: Post, images: Path | None) -> str:
    return f"{split_suffix(relative_name(post.image or Path(), images))[0]}.xml"


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(content)


def _xml(post: Post) -> str | None:
    """Describe the boxes of a post's image; ``None`` if it shows no entity."""
    if not post.boxes or post.image is None:
        return None
    width, height = _size(post)
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = post.image.name
    size = ElementTree.SubElement(root, "size")
    for name, value in (("width", width), ("height", height), ("depth", 3)):
        ElementTree.SubElement(size, name).text = f"{value}"
    seen: set[tuple[str, Sequence[object]]] = set()
    for (start, end), boxes in sorted(post.boxes.items()):
        surface = " ".join(post.words[start:end])
        if (surface, boxes) in seen:  # the reader gives them to every entity of that name
            continue
        seen.add((surface, boxes))
        for x1, y1, x2, y2 in boxes:
            item = ElementTree.SubElement(root, "object")
            ElementTree.SubElement(item, "name").text = surface
            corners = ElementTree.SubElement(item, "bndbox")
            sides = {"xmin": x1 * width, "ymin": y1 * height, "xmax": x2 * width, "ymax": y2 * height}
            for name, side in sides.items():
                ElementTree.SubElement(corners, name).text = _number(side)
    ElementTree.indent(root, "\t")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _number(pixels: float) -> str:
    return f"{round(pixels)}" if abs(pixels - round(pixels)) < _PRECISION else f"{pixels!r}"


def _size(post: Post) -> tuple[int, int]:
    if (size := annotated_size(post.metadata)) is not None:
        return size
    try:
        return image_size(post.image or "")
    except ImageError as error:
        raise DataError(
            f"post {post.id!r}: boxes are written in pixels, and the size of its image is unknown ({error}); give the "
            f'image, or its size, metadata["{SIZE_KEY}"] = [width, height]'
        ) from error


def _compare(posts: Sequence[Post], read: Sequence[Post]) -> None:
    for post, back in zip(posts, read, strict=True):
        if post.spans is not None or not _close(post.boxes, back.boxes):
            raise DataError(
                f"post {post.id!r} cannot be written as GMNER: its boxes {post.boxes!r:.100} would be read back as "
                f"{back.boxes!r:.100}; write JSON lines, or change it with dataclasses.replace"
            )


def _close(boxes: Boxes | None, others: Boxes | None) -> bool:
    if boxes is None or others is None or boxes.keys() != others.keys():
        return False
    pairs = [(box, other) for place in boxes for box, other in zip(boxes[place], others[place], strict=False)]
    same_number = all(len(boxes[place]) == len(others[place]) for place in boxes)
    return same_number and all(
        abs(one - two) <= _PRECISION for box, other in pairs for one, two in zip(box, other, strict=True)
    )

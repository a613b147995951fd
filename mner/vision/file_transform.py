"""The base of image transforms that look something up in a file, by the name of an image."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from mner.vision.transform import ImageTransform


class FileTransform(ImageTransform, ABC):
    """An image transform with a file that no checkpoint names; :func:`~mner.vision.use_region_file` sets it."""

    path: Path | None

    def checkpoint_arguments(self) -> dict[str, Any]:
        """The given arguments without the file."""
        return {**super().checkpoint_arguments(), "path": None}


def names_in_file(image: Path) -> Iterator[str]:
    """List what an image may be called in a file: its whole path, then less of it, each with its suffix first."""
    has_suffix = image.suffix.lower() in Image.registered_extensions()  # 17.06.1 has none
    for start in range(len(image.parts)):
        yield "/".join(image.parts[start:])
        if has_suffix:
            yield "/".join((*image.parts[start:-1], image.stem))

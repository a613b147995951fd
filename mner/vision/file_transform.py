"""The base of image transforms that look something up in a file, by the name of an image."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mner.errors import ConfigurationError
from mner.vision.transform import ImageTransform
from mner.weights import require_open_source


class FileTransform(ImageTransform, ABC):
    """An image transform with a file that no checkpoint names; :func:`~mner.vision.use_region_file` sets it.

    Args:
        path: The file; ``None`` if it is yet to be set, as in a model that was loaded from a checkpoint.
    """

    content: ClassVar[str]
    """What the file contains."""
    counted: ClassVar[str]
    """Name of a tensor of :meth:`load` with a row per region."""

    def __init__(self, path: str | Path | None) -> None:
        if path is not None:
            require_open_source(f"the file of {self.content}", path)
        self.path = None if path is None else Path(path)

    def given_path(self) -> Path:
        """Return the file.

        Raises:
            ConfigurationError: If it is not set.
        """
        if self.path is None:
            raise ConfigurationError(
                f"the file of {self.content} is not set, and a checkpoint does not name one: set it with --region_file "
                "FILE, or mner.vision.use_region_file(model.image_encoder, FILE) in Python"
            )
        return self.path

    def collate(self, images: Sequence[dict[str, Tensor] | None]) -> dict[str, Tensor] | None:
        """Pad the regions of B posts.

        Args:
            images: What :meth:`load` returned: tensors of R rows, or ``None`` for a post without regions.

        Returns:
            The same tensors with a dimension of B posts in front, and the ``mask`` of the regions that are there, shape
            ``(B, R)``; ``None`` if no post has any.
        """
        filled = [None if image is None or not len(image[self.counted]) else image for image in images]
        first = next((image for image in filled if image is not None), None)
        if first is None:
            return None
        nothing = {name: part[:0] for name, part in first.items()}
        rows = [nothing if image is None else image for image in filled]
        padded = {name: pad_sequence([row[name] for row in rows], batch_first=True) for name in nothing}
        counts = torch.tensor([len(row[self.counted]) for row in rows])
        return {**padded, "mask": torch.arange(padded[self.counted].shape[1]) < counts[:, None]}

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

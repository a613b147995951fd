"""Region features that others computed, read from a file per post."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mner.argument_types import check_range
from mner.errors import ConfigurationError, DatasetNotFoundError, FormatError, ImageError
from mner.posts import Post
from mner.vision.file_transform import FileTransform, names_in_file
from mner.weights import why_unreadable

BOXES = ".boxes"
"""What the name of an array of boxes ends with, after the id of the image."""


class RegionFile(FileTransform):
    """Looks the regions of a post up in a file; no image is read.

    The file is opened when the first post is looked up, once per process.

    Args:
        path: An ``.npz``, ``.pt`` or HDF5 file of one array of shape ``(R, V)`` per image; ``None`` if it is yet to be
            set, as in a model that was loaded from a checkpoint.
        key: What the ids of the file are: the image's file name (``image``) or the post's id (``post``).
        max_regions: Maximum number of regions per image; ``None`` for all.
        hidden_size: Width of a region (V); ``None`` takes it from the file.
        boxes: Whether the file also has the boxes of each image, as the array ``<id>.boxes`` of shape ``(R, 4)``.

    Raises:
        ConfigurationError: If ``key`` is unknown, a number is out of range, or neither a file nor a width is given.
        DatasetNotFoundError: If the width is to be taken from a file that is not there.
        FormatError: If that file is of no known format, or contains no array of shape ``(R, V)``.
    """

    reads_files = False
    content = "precomputed regions"
    counted = "regions"

    def __init__(
        self,
        path: str | Path | None,
        key: Literal["image", "post"] = "image",
        max_regions: int | None = None,
        hidden_size: int | None = None,
        boxes: bool = False,
    ) -> None:
        if key not in ("image", "post"):
            raise ConfigurationError(f"expected key to be image or post, got {key!r}")
        check_range("max_regions", max_regions, "[1, inf)")
        check_range("hidden_size", hidden_size, "[1, inf)")
        super().__init__(path)
        self.key = key
        self.max_regions = max_regions
        self.boxes = boxes
        self._opened: tuple[int, Path, Mapping[str, Any]] | None = None
        self.hidden_size = self._width() if hidden_size is None else hidden_size

    @property
    def per_image(self) -> bool:
        """Whether regions are those of an image, not of a post."""
        return self.key == "image"

    def __call__(self, image: Image.Image) -> Tensor:
        """Refuse: the features of an image cannot be computed from a file.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            f"PrecomputedRegions looks features up in {self.path} and cannot encode an image; "
            "it needs no feature store, and a post's features must be in the file"
        )

    def load(self, post: Post, read: Callable[[Path], Image.Image]) -> dict[str, Tensor] | None:
        """Look up the ``regions`` of a post, shape ``(R, V)``, and their ``boxes``, shape ``(R, 4)``, if there are any.

        Raises:
            ImageError: If the post has an image but the file has no usable regions for it.
            ConfigurationError: If no file is set.
            DatasetNotFoundError: If the file is not there.
        """
        if self.key == "image" and post.image is None:
            return None
        names = [post.id] if post.image is None or self.key == "post" else list(names_in_file(post.image))
        file = self._file()
        name = next((name for name in names if name in file), None)
        if name is None:
            if post.image is None:
                return None
            raise ImageError(f"{post.image}: {self.path} has no features for {names[-1]!r}")
        found = _numbers(file, name, self.max_regions)
        if found.ndim != 2 or found.shape[1] != self.hidden_size or not len(found) or not found.isfinite().all():
            raise ImageError(
                f"{post.image or post.id}: expected finite regions of shape (R, {self.hidden_size}) in {self.path}, "
                f"got {tuple(found.shape)}" + ("" if found.isfinite().all() else " with nan or inf")
            )
        return {"regions": found, **({"boxes": self._boxes(name, len(found))} if self.boxes else {})}

    def _boxes(self, name: str, count: int) -> Tensor:
        """Read the boxes of the first regions of an image, as fractions of width and height."""
        file, key = self._file(), f"{name}{BOXES}"
        boxes = _numbers(file, key, count) if key in file else torch.empty(0)
        fits = boxes.shape == (count, 4) and bool(((boxes >= 0) & (boxes <= 1)).all())
        if not fits or not (boxes[:, :2] < boxes[:, 2:]).all():
            raise ImageError(
                f"{name}: expected boxes (x1, y1, x2, y2) of its {count} regions in {self.path} under {key!r}, as "
                f"fractions of width and height, got {f'the shape {tuple(boxes.shape)}' if key in file else 'none'}"
            )
        return boxes

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind: every process opens its own."""
        return {**self.__dict__, "_opened": None}

    def _file(self) -> Mapping[str, Any]:
        path = self.given_path()
        # A file descriptor shared by forked processes has one position for all of them.
        if self._opened is None or self._opened[:2] != (os.getpid(), path):
            self._opened = (os.getpid(), path, _open(path))
        return self._opened[2]

    def _width(self) -> int:
        if self.path is None:
            raise ConfigurationError("expected a file of precomputed regions or their hidden_size, got neither")
        file = _open(self.path)
        first = next((_numbers(file, name) for name in file if not name.endswith(BOXES)), torch.empty(0))
        shape = tuple(first.shape)
        if len(shape) != 2 or not shape[1]:
            problem = f"the first array has the shape {shape}"
            raise FormatError(self.path, None, problem, "Expected one (R, V) array of numbers per image")
        return shape[1]


def _numbers(file: Mapping[str, Any], name: str, count: int | None = None) -> Tensor:
    """Read the first rows of an array in single precision; anything but an array of numbers counts as an empty one."""
    try:
        value = file[name]
        if getattr(value, "ndim", 0):
            value = value[:count]
        if isinstance(value, Tensor):
            return value.detach().float()
        array = np.asarray(value)
    except ValueError:  # pickled objects, or rows that differ in length
        return torch.empty(0)
    return torch.from_numpy(array.astype(np.float32)) if array.dtype.kind in "biuf" else torch.empty(0)


def _open(path: Path) -> Mapping[str, Any]:
    """A mapping of id to array that reads an array when it is looked up."""
    if not os.path.isfile(path):  # noqa: PTH113  a Path would refuse a name that is too long for a file
        raise DatasetNotFoundError(f"no region features at {path.absolute()}; expected an .npz, .pt or .h5 file")
    try:
        if path.suffix == ".npz":
            archive: Mapping[str, Any] = np.load(path)
            return archive
        if path.suffix in (".pt", ".pth"):
            tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            if isinstance(tensors, Mapping):
                return {str(name): value for name, value in tensors.items()}
        elif path.suffix in (".h5", ".hdf5"):
            import h5py

            opened: Mapping[str, Any] = h5py.File(path, "r")
            return opened
    except ModuleNotFoundError as error:
        raise ConfigurationError(f'{path} is HDF5, which needs h5py: pip install "mner[hdf5]"') from error
    except Exception as error:  # each of the three libraries has errors of its own for a broken file
        reason = why_unreadable(error, path)
        raise FormatError(path, None, f"region features that do not read ({reason})", "Write the file again") from error
    raise FormatError(
        path, None, "not a file of region features", "Expected .npz, .pt (a dict of tensors), .h5 or .hdf5"
    )

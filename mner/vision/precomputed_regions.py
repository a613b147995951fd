"""Region features that others computed: a file of id to vectors in the place of an image encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError, DatasetNotFoundError, FormatError, ImageError
from mner.posts import Post
from mner.vision.encoder import ImageEncoder


class PrecomputedRegions(ImageEncoder):
    """Region features read from a file, one array of shape ``(R, V)`` an image.

    The file is ``.npz``, ``.pt`` (a dict of tensors) or HDF5 (``.h5``, ``.hdf5``), and is read an image at a time, so
    it may be larger than memory. R may differ between images. The pooled vector is the mean of the regions.

    Args:
        path: The file.
        key: What its ids are: ``image``, the image's file name with or without its suffix, or ``post``, the post's id.
        regions: Keep the first so many of an image's regions; ``None`` for all.
        hidden_size: Width of a region (V); ``None`` takes it from the file, which then must be there.

    Raises:
        DatasetNotFoundError: If the file is not there.
        FormatError: If the file is of no such format, or holds no array of shape ``(R, V)``.
        ConfigurationError: If ``key`` is neither, or the file is HDF5 and h5py is not installed.
    """

    def __init__(
        self,
        path: str | Path,
        key: Literal["image", "post"] = "image",
        regions: int | None = None,
        hidden_size: int | None = None,
    ) -> None:
        super().__init__()
        if key not in ("image", "post"):
            raise ConfigurationError(f"expected key to be image or post, got {key!r}")
        self.path = Path(path)
        self.key = key
        self.regions = regions
        self.frozen = True
        self._opened: tuple[int, Mapping[str, Any]] | None = None
        self.hidden_size = self._width() if hidden_size is None else hidden_size

    def checkpoint_arguments(self) -> dict[str, Any]:
        """The given arguments, and the width of a region, so that a checkpoint loads without the file."""
        return {**super().checkpoint_arguments(), "hidden_size": self.hidden_size}

    def transform(self, image: Image.Image) -> Tensor:
        """Refuse: features from a file cannot be computed for a picture.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            f"PrecomputedRegions looks features up in {self.path} and cannot encode a picture; "
            "it needs no feature cache, and a post's features must be in the file"
        )

    def load(self, post: Post, read: Callable[[Path], Image.Image]) -> Tensor | None:
        """The regions of a post from the file, shape ``(R, V)``; no image is read.

        Raises:
            ImageError: If the post has an image but the file has no usable regions for it.
            DatasetNotFoundError: If the file is not there.
        """
        if self.key == "image" and post.image is None:
            return None
        names = [post.id] if post.image is None or self.key == "post" else [post.image.stem, post.image.name]
        file = self._file()
        name = next((name for name in names if name in file), None)
        if name is None:
            if post.image is None:
                return None
            raise ImageError(f"{post.image}: {self.path} has no features for {names[0]!r}")
        found = torch.as_tensor(np.asarray(file[name]))[: self.regions].float()
        if found.ndim != 2 or found.shape[1] != self.hidden_size or not len(found) or not found.isfinite().all():
            raise ImageError(
                f"{post.image or post.id}: expected finite regions of shape (R, {self.hidden_size}) in {self.path}, "
                f"got {tuple(found.shape)}" + ("" if found.isfinite().all() else " with nan or inf")
            )
        return found

    def collate(self, images: Sequence[Tensor | None]) -> dict[str, Tensor] | None:
        """Pad the regions of B posts: ``regions`` of shape ``(B, R, V)``, ``mask`` of shape ``(B, R)``."""
        if all(image is None for image in images):
            return None
        nothing = torch.zeros(0, self.hidden_size)
        padded = pad_sequence([nothing if image is None else image for image in images], batch_first=True)
        counts = torch.tensor([0 if image is None else len(image) for image in images])
        return {"regions": padded, "mask": torch.arange(padded.shape[1]) < counts[:, None]}

    def encode(self, pixels: dict[str, Tensor]) -> ImageFeatures:
        """Return the regions as they are, with their mean."""
        regions, mask = pixels["regions"], pixels["mask"]
        return ImageFeatures(regions, mask, regions.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind: every process opens its own."""
        return {**self.__dict__, "_opened": None}

    def _file(self) -> Mapping[str, Any]:
        # A file descriptor shared by forked processes has one position for all of them.
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), _open(self.path))
        return self._opened[1]

    def _width(self) -> int:
        file = _open(self.path)
        shape = next((np.asarray(file[name]).shape for name in file), ())
        if len(shape) != 2:
            raise FormatError(
                self.path, None, f"the first array has the shape {shape}", "Expected one (R, V) array an image"
            )
        return int(shape[1])


def _open(path: Path) -> Mapping[str, Any]:
    """A mapping of id to array that reads an array when it is asked for."""
    if not path.is_file():
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
        raise ConfigurationError(f"{path} is HDF5: install h5py with pip install h5py") from error
    except Exception as error:  # each of the three libraries has errors of its own for a broken file
        raise FormatError(path, None, f"region features that do not read ({error})", "Write the file again") from error
    raise FormatError(
        path, None, "not a file of region features", "Expected .npz, .pt (a dict of tensors), .h5 or .hdf5"
    )

"""Image features on disk: write-once files of many images each, read through memory maps."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from filelock import FileLock, Timeout
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from mner.batch import ImageFeatures
from mner.errors import ConfigurationError

BUCKETS = 64
SUFFIX = ".safetensors"
logger = logging.getLogger(__name__)


def bucket_of(key: str) -> int:
    """The bucket of a content hash, from 0 to :data:`BUCKETS` - 1."""
    return int(key[:2], 16) % BUCKETS


class Shards:
    """A folder of safetensors files, each with the features of some images of one bucket.

    A file appears in the folder whole or not at all: it is written in a folder beside, forced to disk, and moved.
    Whoever adds to a bucket holds its lock, which the operating system releases if the process dies.

    Args:
        folder: Where the files are; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[str, tuple[str, int]] = {}
        self._scanned: set[str] = set()
        self._mapped: dict[str, dict[str, Tensor]] = {}
        self.scan()

    def __contains__(self, key: str) -> bool:
        """Whether the features of an image are there."""
        return key in self._places

    def __getstate__(self) -> dict[str, Any]:
        """Leave the memory maps behind: every process makes its own."""
        return {**self.__dict__, "_mapped": {}}

    def scan(self, bucket: int | None = None) -> None:
        """Take note of files that were added, by this process or another, to one bucket or to all."""
        for file in sorted(self.folder.glob(("*" if bucket is None else f"{bucket:02d}-*") + SUFFIX)):
            if file.name not in self._scanned:
                try:
                    with safe_open(file, "pt") as shard:
                        keys = json.loads(shard.metadata()["keys"])
                except Exception as error:  # a damaged disk, not a killed process: safetensors has its own errors
                    logger.warning("%s is damaged (%s): its images are encoded again; delete it", file, error)
                    keys = []
                self._add(file.name, keys)

    @contextmanager
    def lock(self, bucket: int, wait: bool) -> Iterator[bool]:
        """Hold a bucket; yields whether it was free, always true with ``wait``. What a dead owner left is removed."""
        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{bucket:02d}.lock")
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        try:
            shutil.rmtree(self._unfinished(bucket), ignore_errors=True)
            self.scan(bucket)
            yield True
        finally:
            lock.release()

    def write(self, keys: Sequence[str], features: ImageFeatures, half: bool = False) -> None:
        """Add images of one bucket, whose lock the caller holds.

        Args:
            keys: Their content hashes.
            features: Their features, one row an image.
            half: Whether to keep numbers other than boxes in half precision.

        Raises:
            ConfigurationError: If a number is too large for half precision.
        """
        parts = {}
        for field in fields(features):
            part = getattr(features, field.name)
            if part is not None:
                shrunk = part.half() if half and part.is_floating_point() and field.name != "boxes" else part
                if shrunk is not part and not shrunk.isfinite().all():
                    raise ConfigurationError(f"the encoder's {field.name} exceed half precision; cache without half")
                parts[field.name] = shrunk.cpu().contiguous()
        bucket = bucket_of(keys[0])
        unfinished = self._unfinished(bucket)
        unfinished.mkdir(parents=True, exist_ok=True)
        name = f"{bucket:02d}-{uuid4().hex}{SUFFIX}"
        save_file(parts, unfinished / name, {"keys": json.dumps(list(keys))})
        with (unfinished / name).open("rb") as written:
            os.fsync(written.fileno())
        (unfinished / name).replace(self.folder / name)
        self._add(name, keys)

    def read(self, keys: Sequence[str | None]) -> ImageFeatures:
        """The features of B images.

        Args:
            keys: Content hashes, each there; ``None`` gives a row of zeros that is masked out. One at least is given.
        """
        rows = [None if key is None else self._row(key) for key in keys]
        present = [row for row in rows if row is not None]
        parts: dict[str, Tensor] = {}
        for name in present[0]:
            shape = torch.Size(map(max, zip(*(row[name].shape for row in present), strict=True)))
            dtype = present[0][name].dtype
            filled = torch.zeros(len(rows), *shape, dtype=torch.float32 if dtype.is_floating_point else dtype)
            for target, row in zip(filled, rows, strict=True):
                if row is not None:
                    target[tuple(map(slice, row[name].shape))] = row[name]
            parts[name] = filled
        return ImageFeatures(**parts)

    def _unfinished(self, bucket: int) -> Path:
        return self.folder / "unfinished" / f"{bucket:02d}"

    def _add(self, name: str, keys: Sequence[str]) -> None:
        self._scanned.add(name)
        self._places.update((key, (name, row)) for row, key in enumerate(keys))

    def _row(self, key: str) -> dict[str, Tensor]:
        name, row = self._places[key]
        if name not in self._mapped:
            self._mapped[name] = load_file(self.folder / name)  # maps the file and reads nothing yet
        return {part: tensor[row] for part, tensor in self._mapped[name].items()}

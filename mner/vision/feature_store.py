"""The feature store: the features that a frozen encoder computes for images, computed once and kept in an LMDB file."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mner.batch import ImageFeatures, moved
from mner.errors import ConfigurationError, DataError, ImageError
from mner.images import ImageLoader, load_image, open_image_file
from mner.posts import Post
from mner.vision import lmdb_file
from mner.vision.encoder import ImageEncoder
from mner.vision.feature_rows import decode_rows, encode_rows
from mner.vision.fill_report import FillReport
from mner.vision.fingerprint import content_hash, encoder_fingerprint, file_identity

WRITE_SECONDS = 1.0
WRITE_BYTES = 1 << 21
"""Seconds and bytes after which features are written in one transaction, since each waits for the disk. LMDB keeps its
pages in memory until then: more than the processor's cache holds cost three times as much processor time."""


@dataclass(frozen=True)
class FeatureStore:
    """Features of a frozen encoder by image content; read by any number of processes, written by one at a time.

    The file is shared by runs, encoders and processes. Features are keyed by the encoder's fingerprint and by the hash
    of the image's bytes, so a changed image, setting or weight is computed again, whatever its name or date. A process
    killed at any moment leaves a valid store, which :meth:`fill` completes. Features are read through a memory map, so
    they may exceed memory. A store is a plain object that can be pickled: loader workers open the file themselves.

    Args:
        path: The file; created by :meth:`fill`. LMDB keeps its lock in a second file next to it.
        encoder_fingerprint: Identifies the encoder of the features; see :meth:`of`.
        half_precision: Keep features in half precision; they are read in single precision either way.
    """

    path: Path
    encoder_fingerprint: str
    half_precision: bool = False

    @classmethod
    def of(
        cls, encoder: ImageEncoder, path: str | Path, half_precision: bool = False, precision: str = "32-true"
    ) -> FeatureStore:
        """Return the store of an encoder with its current weights.

        Args:
            encoder: A frozen encoder.
            path: The file.
            half_precision: Keep features in half precision.
            precision: The precision in which the encoder computes, as Lightning names it: features computed under
                autocast are kept apart from those in single precision.

        Raises:
            ConfigurationError: If the encoder is trained.
        """
        if not encoder.frozen:
            raise ConfigurationError(
                f"{type(encoder).__name__} is trained, so its features change and cannot be stored; "
                "freeze it (trainable_stages: 0) or train without a feature store"
            )
        return cls(Path(path), encoder_fingerprint(encoder, precision), half_precision)

    def key_of(self, image: Path | bytes) -> bytes | None:
        """Return the key of an image's features, or ``None`` if they are not stored.

        Args:
            image: An image file or the bytes of one. A file that :meth:`fill` has seen is not read again unless it has
                changed.

        Raises:
            ImageError: If the file cannot be opened.
            DataError: If there is no store, or it is damaged.
        """
        with lmdb_file.reading(self.path) as stored:
            digest = content_hash(image) if isinstance(image, bytes) else self._known_hash(stored, image)
            if digest is None:
                assert isinstance(image, Path)
                with open_image_file(image) as file:
                    digest = content_hash(file.read())
            key = self._prefix + digest
            return None if stored.get(key) is None else key

    def read(self, keys: Sequence[bytes | None]) -> ImageFeatures:
        """Read the features of B images.

        Args:
            keys: From :meth:`key_of`, not all ``None``; an image without a key is masked out.

        Returns:
            Regions of shape ``(B, R, V)`` on the CPU, in single precision.

        Raises:
            DataError: If no features are stored under a key, or the store is damaged.
        """
        with lmdb_file.reading(self.path) as stored:
            values = [None if key is None else stored.get(key) for key in keys]
            if any(value is None and key is not None for value, key in zip(values, keys, strict=True)):
                raise DataError(f"{self.path} no longer has the features of an image; fill it again")
            return decode_rows(values)

    def features(self, images: Sequence[Path]) -> ImageFeatures:
        """Read the features of B images that are all stored.

        Args:
            images: Image files.

        Raises:
            DataError: If the features of an image are not stored; names it.
            ImageError: If a file cannot be opened.
        """
        keys = [self.key_of(image) for image in images]
        absent = [str(image) for image, key in zip(images, keys, strict=True) if key is None]
        if absent:
            raise DataError(f"{self.path} has no features of {', '.join(absent[:10])}; fill it first")
        return self.read(keys)

    def fill(
        self,
        encoder: ImageEncoder,
        images: Iterable[Path],
        loader: ImageLoader | None = None,
        batch_size: int = 32,
        device: torch.device | str | None = None,
        precision_context: Callable[[], AbstractContextManager[Any]] = nullcontext,
        num_threads: int = 4,
        progress: bool = False,
    ) -> FillReport:
        """Encode and store every image that is not stored yet.

        One process fills at a time; another one waits, and then finds the features stored.

        Args:
            encoder: The encoder whose store this is.
            images: Image files; a repeated path or content is encoded once.
            loader: Opens the images. A bad one is reported, or raises an error with ``on_bad_image="error"``.
            batch_size: Number of images encoded at once.
            device: Where to encode; ``None`` for where the encoder is.
            precision_context: Entered around the encoder's forward pass, for example
                ``trainer.strategy.precision_plugin.forward_context``.
            num_threads: Number of threads that read and transform images.
            progress: Show a progress bar.

        Raises:
            ImageError: If an image cannot be used, under the policy ``error``.
            ConfigurationError: If features are not finite, or exceed half precision.
            OutputError: If the file cannot be written; what was stored before is kept.
        """
        loader = loader or ImageLoader()
        report = FillReport()
        lmdb_file.write(self.path, [])  # creates it, or raises the reason
        with (
            FileLock(f"{self.path}.filling"),
            _moved(encoder, device),
            ThreadPoolExecutor(num_threads) as pool,
        ):
            missing = self._missing(images, report)
            pending = _Pending(self.path)
            with _bar(len(missing), progress and bool(missing)) as advance:
                for batch in self._loaded(encoder, missing, batch_size, loader, pool):
                    self._encode(encoder, batch, loader, precision_context, pending, report)
                    advance(len(batch))
            pending.write()
        return report

    def _missing(self, images: Iterable[Path], report: FillReport) -> list[Path]:
        """Return the files whose features are not known to be stored, without opening any."""
        missing = []
        with lmdb_file.reading(self.path) as stored:
            for image in dict.fromkeys(images):
                try:
                    digest = self._known_hash(stored, image)
                except ImageError:  # opening it will raise the reason
                    digest = None
                if digest is None or stored.get(self._prefix + digest) is None:
                    missing.append(image)
                else:
                    report.reused += 1
        return missing

    def _known_hash(self, stored: Any, image: Path) -> bytes | None:
        try:
            digest = stored.get(file_identity(image.stat()))
        except (OSError, ValueError) as error:
            raise ImageError(f"{image}: {error}") from error
        return None if digest is None else bytes(digest)

    def _loaded(
        self,
        encoder: ImageEncoder,
        images: Iterable[Path],
        batch_size: int,
        loader: ImageLoader,
        pool: ThreadPoolExecutor,
    ) -> Iterator[list[_Loaded]]:
        """Yield batches of transformed images; the next one is read while one is encoded."""

        def load(path: Path) -> _Loaded:
            try:
                with loader.open(path) as file:
                    identity, content = file_identity(os.fstat(file.fileno())), file.read()
                digest = content_hash(content)
                with lmdb_file.reading(self.path) as stored:
                    known = stored.get(self._prefix + digest) is not None
                image = None if known else self._transformed(encoder, path, content)
                return _Loaded(path, identity, digest, image)
            except ImageError as error:
                return _Loaded(path, b"", b"", None, error)

        running: deque[list[Future[_Loaded]]] = deque()
        left = iter(images)
        while batch := list(islice(left, batch_size)):
            running.append([pool.submit(load, path) for path in batch])
            if len(running) == 2:
                yield [future.result() for future in running.popleft()]
        while running:
            yield [future.result() for future in running.popleft()]

    @staticmethod
    def _transformed(encoder: ImageEncoder, path: Path, content: bytes) -> Any:
        """Transform an image for the encoder; some transforms look up its name in a file."""
        transform = encoder.image_transform
        if not transform.reads_files:  # it looks up stored features, so nothing is computed
            return transform(load_image(content, name=str(path)))
        return transform.load(Post(path.name, (), image=path), lambda _: load_image(content, name=str(path)))

    def _encode(
        self,
        encoder: ImageEncoder,
        batch: Sequence[_Loaded],
        loader: ImageLoader,
        precision_context: Callable[[], AbstractContextManager[Any]],
        pending: _Pending,
        report: FillReport,
    ) -> None:
        new: dict[bytes, Any] = {}
        for path, identity, digest, image, error in batch:
            if error is not None:
                if loader.on_bad_image == "error":
                    raise error
                report.bad[path] = str(error)
                continue
            pending.add(identity, digest)  # written no later than the features
            if image is None or digest in pending.encoded:
                report.reused += 1
            else:
                pending.encoded.add(digest)
                new[digest] = image
        if new:
            pixels = moved(encoder.image_transform.collate(list(new.values())), _device(encoder))
            with torch.no_grad(), precision_context():
                features = encoder(pixels, torch.ones(len(new), dtype=torch.bool))
            for digest, value in zip(new, encode_rows(features, self.half_precision), strict=True):
                pending.add(self._prefix + digest, value)
            report.computed += len(new)

    @property
    def _prefix(self) -> bytes:
        return bytes.fromhex(self.encoder_fingerprint) + (b"h" if self.half_precision else b"f")


class _Loaded(NamedTuple):
    path: Path
    identity: bytes
    digest: bytes
    image: Any
    error: ImageError | None = None


@dataclass
class _Pending:
    """What the next transaction will write, and what was encoded in this and earlier ones; written when it is due."""

    path: Path
    encoded: set[bytes] = field(default_factory=set)
    items: dict[bytes, bytes] = field(default_factory=dict)
    size: int = 0
    written: float = field(default_factory=time.monotonic)

    def add(self, key: bytes, value: bytes) -> None:
        self.items[key] = value
        self.size += len(value)
        if self.size > WRITE_BYTES or time.monotonic() - self.written > WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        lmdb_file.write(self.path, self.items.items())
        self.items, self.size, self.written = {}, 0, time.monotonic()


def _device(encoder: ImageEncoder) -> torch.device:
    return next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))


@contextmanager
def _moved(encoder: ImageEncoder, device: torch.device | str | None) -> Iterator[None]:
    """Move an encoder to a device for the duration of a block."""
    home = _device(encoder)
    encoder.eval().to(device or home)
    try:
        yield
    finally:
        encoder.to(home)


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show a progress bar over images, or none; yields what advances it."""
    if not shown:  # rich 13.0 ends even a disabled bar with an empty line
        yield lambda _: None
        return
    columns = (TextColumn("encoding images"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("", total=total)
        yield lambda images: bar.advance(task, images)

"""The feature cache: what a frozen encoder makes of an image is computed once and kept on disk."""

from __future__ import annotations

import json
import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from mner.batch import ImageFeatures
from mner.components import describe
from mner.errors import ConfigurationError, DataError, ImageError
from mner.images import ImageLoader
from mner.vision.content import ContentIndex
from mner.vision.encoder import ImageEncoder
from mner.vision.shards import BUCKETS, Shards, bucket_of

LAYOUT = 1
"""Counted up when features of the same encoder are kept in another way."""
NOT_IN_FEATURES = ("weights", "learning_rate")
"""Arguments that say nothing about features: the weights themselves are looked at."""
Loaded: TypeAlias = "tuple[str, Path, Tensor | ImageError]"


@dataclass
class FillReport:
    """What filling a cache did.

    Args:
        computed: Images encoded by this process.
        reused: Images whose features were there, under this name or another, or that another process encoded.
        bad: Images that cannot be used, each with the reason.
    """

    computed: int = 0
    reused: int = 0
    bad: dict[Path, str] = field(default_factory=dict)


class FeatureCache:
    """Features of a frozen encoder, by the content of the image, the encoder's configuration and its weights.

    The folder may be shared by runs, experiments, encoders and processes, and by machines whose file system has
    locks. Each encoder has a folder in it. Features are read through memory maps, so they may exceed memory. A process
    killed at any moment leaves a cache that is valid, and that :meth:`fill` completes.

    Args:
        folder: Where the cache is; need not exist.
        encoder: The encoder, frozen, with its weights loaded.
        half: Keep features in half precision; they are read as single precision either way.

    Raises:
        ConfigurationError: If the encoder is trained.
    """

    def __init__(self, folder: str | Path, encoder: ImageEncoder, half: bool = False) -> None:
        if not encoder.frozen:
            raise ConfigurationError(
                f"{type(encoder).__name__} is trained, so its features change and cannot be cached; "
                "freeze it (trainable_stages: 0) or train without a cache"
            )
        self.folder = Path(folder)
        self.encoder = encoder
        self.half = half
        self._content = ContentIndex(self.folder / "contents.jsonl")
        self._shards = self._open()
        encoder.register_load_state_dict_post_hook(self._weights_loaded)  # type: ignore[no-untyped-call]

    def fill(
        self,
        images: Iterable[Path],
        loader: ImageLoader | None = None,
        batch_size: int = 32,
        device: torch.device | str | None = None,
        threads: int = 4,
        progress: bool = False,
    ) -> FillReport:
        """Encode every image that the cache does not hold.

        Several processes may fill one cache at once: they share the work, and all return when it is done. The
        encoder's weights are looked at again first, in case they changed.

        Args:
            images: Image files; any repeated path or content is encoded once.
            loader: The policy on images. A bad image is reported, or raises under its ``error``.
            batch_size: Images encoded, and written, at a time.
            device: Where to encode; ``None`` for where the encoder is.
            threads: Threads that read and transform images.
            progress: Show a progress bar.

        Returns:
            What was done.

        Raises:
            ImageError: If an image cannot be used, under the policy ``error``.
        """
        loader = loader or ImageLoader()
        self._shards = self._open()
        report = FillReport()
        waiting = self._waiting(images, loader, report)
        self._content.save()
        # Processes start at different buckets, so that they seldom meet; who meets another goes on and comes back.
        order = sorted(waiting, key=lambda bucket: (bucket - os.getpid()) % BUCKETS)
        with (
            _moved(self.encoder, device),
            ThreadPoolExecutor(threads) as pool,
            _bar(sum(map(len, waiting.values())), progress) as advance,
        ):
            for wait in (False, True):
                for bucket in [bucket for bucket in order if bucket in waiting]:
                    with self._shards.lock(bucket, wait) as held:
                        if not held:
                            continue
                        missing = {key: path for key, path in waiting[bucket].items() if key not in self._shards}
                        report.reused += len(waiting[bucket]) - len(missing)
                        advance(len(waiting.pop(bucket)) - len(missing))
                        for batch in self._loaded(missing, batch_size, loader, pool):
                            self._encode(batch, loader, report)
                            advance(len(batch))
        return report

    def key_of(self, path: Path) -> str | None:
        """The key under which an image's features are kept, or ``None`` if they are not there.

        Args:
            path: The file, as :meth:`mner.vision.ImageLoader.locate` gives it.

        Raises:
            ImageError: If the file cannot be read.
        """
        key = self._hash(path)
        return key if key in self._shards else None

    def read(self, keys: Sequence[str | None]) -> ImageFeatures:
        """The features of B posts by their keys, not all ``None``; a post without one is masked out."""
        return self._shards.read(keys)

    def features(self, paths: Sequence[Path]) -> ImageFeatures:
        """The features of B images.

        Args:
            paths: Image files that the cache holds.

        Returns:
            Regions of shape ``(B, R, V)`` on the CPU, in single precision.

        Raises:
            DataError: If the cache does not hold an image in its present content; names it.
            ImageError: If a file cannot be read.
        """
        keys = [self.key_of(path.resolve()) for path in paths]
        absent = [str(path) for path, key in zip(paths, keys, strict=True) if key is None]
        if absent:
            raise DataError(f"the cache {self._shards.folder} holds no features of {', '.join(absent)}; fill it first")
        return self.read(keys)

    def _weights_loaded(self, *arguments: object) -> None:
        """Turn to the features of the weights that a checkpoint brought: else the old ones would pass for theirs."""
        self._shards = self._open()

    def _open(self) -> Shards:
        name = f"{type(self.encoder).__name__}-{_fingerprint(self.encoder)}{'-half' if self.half else ''}"
        return Shards(self.folder / name)

    def _waiting(self, images: Iterable[Path], loader: ImageLoader, report: FillReport) -> dict[int, dict[str, Path]]:
        """Files to encode, one a content hash, by bucket."""
        waiting: dict[int, dict[str, Path]] = defaultdict(dict)
        for image in dict.fromkeys(images):
            try:
                key = self._hash(loader.locate(image))
            except ImageError as error:
                _refuse(image, error, loader, report)
                continue
            if key in self._shards or key in waiting.get(bucket_of(key), ()):
                report.reused += 1
            else:
                waiting[bucket_of(key)][key] = image
        return dict(waiting)

    def _hash(self, path: Path) -> str:
        try:
            return self._content.hash_of(path)
        except OSError as error:
            raise ImageError(f"{path}: {error}") from error

    def _loaded(
        self, images: Mapping[str, Path], batch_size: int, loader: ImageLoader, pool: ThreadPoolExecutor
    ) -> Iterator[list[Loaded]]:
        """Batches of images by their keys, or the error of each; the next batch is read while one is encoded."""

        def load(key: str) -> Loaded:
            try:
                return key, images[key], self.encoder.image_transform(loader(images[key]))
            except ImageError as error:
                return key, images[key], error

        running: deque[list[Future[Loaded]]] = deque()
        keys = iter(images)
        while batch := list(islice(keys, batch_size)):
            running.append([pool.submit(load, key) for key in batch])
            if len(running) == 2:
                yield [future.result() for future in running.popleft()]
        while running:
            yield [future.result() for future in running.popleft()]

    def _encode(self, batch: Sequence[Loaded], loader: ImageLoader, report: FillReport) -> None:
        keys, images = [], []
        for key, path, image in batch:
            if isinstance(image, ImageError):
                _refuse(path, image, loader, report)
            else:
                keys.append(key)
                images.append(image)
        if keys:
            device = _device(self.encoder)
            pixels = self.encoder.image_transform.collate(images)
            if isinstance(pixels, Mapping):
                pixels = {name: part.to(device) for name, part in pixels.items()}
            else:
                pixels = pixels.to(device)
            with torch.no_grad():
                features = self.encoder(pixels, torch.ones(len(keys), dtype=torch.bool, device=device))
            self._shards.write(keys, features, self.half)
            report.computed += len(keys)


def _refuse(path: Path, error: ImageError, loader: ImageLoader, report: FillReport) -> None:
    if loader.on_bad_image == "error":
        raise error
    report.bad[path] = str(error)


def _fingerprint(encoder: ImageEncoder) -> str:
    """What tells an encoder's features from another's: its arguments and its weights, 16 hexadecimal digits."""
    config = describe(encoder)
    arguments = {name: value for name, value in config["init_args"].items() if name not in NOT_IN_FEATURES}
    digest = blake2b(json.dumps([LAYOUT, config["class_path"], arguments], sort_keys=True).encode(), digest_size=8)
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _device(encoder: ImageEncoder) -> torch.device:
    return next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))


@contextmanager
def _moved(encoder: ImageEncoder, device: torch.device | str | None) -> Iterator[None]:
    """Have an encoder on a device for a while."""
    home = _device(encoder)
    encoder.eval().to(device or home)
    try:
        yield
    finally:
        encoder.to(home)


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar over images; yields what moves it on."""
    columns = (TextColumn("encoding images"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not shown) as bar:
        task = bar.add_task("", total=total)
        yield lambda images: bar.advance(task, images)

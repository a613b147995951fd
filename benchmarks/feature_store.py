"""Time the feature store: filling it, starting on a filled one, and an epoch's reads.

An epoch reads the features of all images in shuffled batches. It is compared with the obvious alternatives: one file of
``torch.save`` per image, and encoding the images again. The weights are random, which costs the same.
Processor seconds on one thread are measured, so that other load has little effect; the best of several epochs, and of
several fillings. Run
``python benchmarks/feature_store.py``; add ``--encoder trivial --images 100000 --side 8`` for many small images, or
``--encoder trivial --regions 49 --width 2048 --side 64`` for large features that cost nothing to compute.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mner.batch import ImageFeatures
from mner.images import ImageLoader, load_image
from mner.vision import ImageEncoder, ImageTransform, create_image_encoder
from mner.vision.feature_store import FeatureStore


class FirstPixel(ImageTransform):
    """The colour of the first pixel."""

    def __call__(self, image: Image.Image) -> Tensor:
        """Shape ``(3,)``."""
        return torch.tensor(image.getpixel((0, 0))) / 255


class Trivial(ImageEncoder):
    """An encoder that costs nothing, so that only the store is measured."""

    def __init__(self, regions: int, width: int) -> None:
        super().__init__()
        self.hidden_size, self.frozen, self.image_transform = width, True, FirstPixel()
        self.regions = regions

    def encode(self, pixels: Tensor) -> ImageFeatures:
        """Repeat the red of the pixel."""
        regions = pixels[:, :1, None].expand(-1, self.regions, self.hidden_size)
        return ImageFeatures(regions, torch.ones(regions.shape[:2], dtype=torch.bool), regions[:, 0])


def write_images(folder: Path, count: int, side: int) -> list[Path]:
    """Write JPEG images of coloured noise."""
    random = np.random.default_rng(0)
    paths = [folder / f"{index}.jpg" for index in range(count)]
    for path in paths:
        coarse = Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(path)
    return paths


def seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def epoch(paths: Sequence[Path], batch_size: int, read: Callable[[Sequence[Path]], object]) -> float:
    """Measure the processor seconds of one pass over the images in random order."""
    order = np.random.default_rng(1).permutation(len(paths))
    batches = [[paths[index] for index in order[i : i + batch_size]] for i in range(0, len(order), batch_size)]
    return seconds(lambda: [read(batch) for batch in batches])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="resnet50", help="name in the registry, or trivial")
    parser.add_argument("--regions", type=int, default=4, help="number of regions of the trivial encoder")
    parser.add_argument("--width", type=int, default=4, help="width of the trivial encoder's regions")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--side", type=int, default=400, help="pixels")
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--half_precision", action="store_true")
    options = parser.parse_args()

    torch.set_num_threads(1)
    trivial = options.encoder == "trivial"
    encoder = (
        Trivial(options.regions, options.width) if trivial else create_image_encoder(options.encoder, weights=None)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_images(folder, options.images, options.side)
        loader = ImageLoader((folder,))

        @torch.no_grad()
        def encode(batch: Sequence[Path]) -> ImageFeatures:
            pixels = encoder.image_transform.collate([encoder.image_transform(load_image(path)) for path in batch])
            return encoder(pixels, torch.ones(len(batch), dtype=torch.bool))

        def save(batch: Sequence[Path]) -> None:
            features = encode(batch)
            for row, path in enumerate(batch):
                parts = {part: value[row].clone() for part, value in vars(features).items() if value is not None}
                torch.save(parts, path.with_suffix(".pt"))

        def load(batch: Sequence[Path]) -> dict[str, Tensor]:
            rows = [torch.load(path.with_suffix(".pt"), weights_only=True) for path in batch]
            return {part: torch.stack([row[part] for row in rows]) for part in rows[0]}

        def fill() -> None:
            store = FeatureStore.of(encoder, folder / "features.lmdb", options.half_precision)
            store.fill(encoder, paths, loader, options.batch_size)

        filling = {"store": float("inf"), "files": float("inf")}
        for _ in range(options.epochs):  # in turn, since other programs take the processor's cache
            (folder / "features.lmdb").unlink(missing_ok=True)
            filling["store"] = min(filling["store"], seconds(fill))
            filling["files"] = min(filling["files"], epoch(paths, options.batch_size, save))
        starting = seconds(fill)
        store = FeatureStore.of(encoder, folder / "features.lmdb", options.half_precision)

        def read(batch: Sequence[Path]) -> ImageFeatures:
            return store.read([store.key_of(loader.locate(path)) for path in batch])

        epochs = {
            kind: min(epoch(paths, options.batch_size, action) for _ in range(options.epochs))
            for kind, action in (("store", read), ("files", load), ("encoding", encode))
        }
        size = (folder / "features.lmdb").stat().st_size / len(paths) / 1024

    print(f"{options.encoder}, {options.images} images of {options.side} pixels, {size:.0f} KiB per image in the store")
    ratio = filling["store"] / filling["files"]
    print(f"filling the store      {filling['store']:9.3f} s   {ratio:.2f} times one file per image")
    print(f"start, all are stored  {starting:9.3f} s")
    for kind, spent in epochs.items():
        print(f"epoch from {kind:<11} {spent:9.3f} s   {spent / epochs['store']:.1f} times the store's")


if __name__ == "__main__":
    main()

"""Time an epoch over images through ResNet-50 on the CPU, with the feature cache and without.

Random weights do, since they cost what trained ones do. An epoch is what a model sees of its images: a data loader with
the image part of the collator, and the encoder where there is no cache. What comes after is the same both ways. It
counts processor time on one thread, so that a busy machine tells the same. Run ``python benchmarks/feature_cache.py``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from mner.posts import Post
from mner.vision import FeatureCache, ImageEncoder, PostImages, create_image_encoder


def write_posts(folder: Path, count: int, size: tuple[int, int]) -> list[Post]:
    """Posts with JPEG images of coloured noise, as large as Twitter serves them."""
    random = np.random.default_rng(0)
    posts = []
    for index in range(count):
        coarse = Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8))
        coarse.resize(size, Image.Resampling.BICUBIC).save(folder / f"{index}.jpg")
        posts.append(Post(str(index), ("word",), image=folder / f"{index}.jpg"))
    return posts


def epoch(images: PostImages, encoder: ImageEncoder, posts: list[Post], batch_size: int) -> tuple[float, torch.Tensor]:
    """Processor seconds of one pass over the posts, and the pooled vectors of the last batch."""
    start = time.process_time()
    for pixels, features, mask in DataLoader(posts, batch_size=batch_size, collate_fn=images):
        shown = encoder(pixels, mask) if features is None else features
    return time.process_time() - start, shown.pooled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", default="resnet50")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--half", action="store_true")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    encoder = create_image_encoder(arguments.encoder, weights=None)
    with tempfile.TemporaryDirectory() as folder:
        posts = write_posts(Path(folder), arguments.images, (600, 400))
        without = [
            epoch(PostImages(encoder.image_transform), encoder, posts, arguments.batch_size)
            for _ in range(arguments.epochs)
        ]
        cache = FeatureCache(Path(folder) / "cache", encoder, half=arguments.half)
        start = time.process_time()
        cache.fill([post.image for post in posts if post.image], batch_size=arguments.batch_size, progress=True)
        filling = time.process_time() - start
        cached = PostImages(encoder.image_transform, cache=cache)
        with_cache = [epoch(cached, encoder, posts, arguments.batch_size) for _ in range(arguments.epochs)]
        size = sum(file.stat().st_size for file in (Path(folder) / "cache").rglob("*") if file.is_file())

    difference = (without[0][1] - with_cache[0][1]).abs().max()
    slow, fast = min(seconds for seconds, _ in without), min(seconds for seconds, _ in with_cache)
    print(
        f"{arguments.encoder}, {arguments.images} images, {torch.get_num_threads()} threads, best of {arguments.epochs}"
    )
    print(f"epoch without cache  {slow:8.3f} s")
    print(f"epoch with cache     {fast:8.3f} s   {slow / fast:.0f} times faster; needed: 10")
    print(f"filling the cache    {filling:8.3f} s   {size / len(posts) / 1024:.0f} KiB an image")
    print(f"largest difference   {difference:8.1e}")


if __name__ == "__main__":
    main()

"""The images of a batch of posts: from the cache or from pixels, bad ones masked and reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mner.batch import ImageFeatures
from mner.errors import ImageError
from mner.images import ImageLoader
from mner.posts import Post
from mner.vision.cache import FeatureCache
from mner.vision.transform import ImageTransform


@dataclass(frozen=True)
class ImageSummary:
    """What became of the images of the posts that were seen.

    Args:
        seen: How many images the posts named.
        bad: Those that could not be used, each with the reason.
    """

    seen: int
    bad: dict[Path, str]

    def __str__(self) -> str:
        """One line with the count, and one for each bad image."""
        lines = [f"{len(self.bad):,} of {self.seen:,} images could not be used; their posts count as without image"]
        return "\n  ".join([*lines, *self.bad.values()])


class PostImages:
    """Gives a collator the images of its posts; picklable, so that data workers can run it.

    Features come from the cache if it holds every usable image of the batch. Otherwise the whole batch comes as pixels,
    for the encoder to encode: the two agree, so a cache is never more than a matter of speed.

    Args:
        transform: Turns an image into the encoder's input.
        loader: The policy on images.
        cache: Features computed before.
    """

    def __init__(
        self, transform: ImageTransform, loader: ImageLoader | None = None, cache: FeatureCache | None = None
    ) -> None:
        self.transform = transform
        self.loader = loader or ImageLoader()
        self.cache = cache
        self._seen: dict[Path, Post] = {}
        self._bad: dict[Path, Post] = {}

    def __call__(self, posts: Sequence[Post]) -> tuple[Any, ImageFeatures | None, Tensor]:
        """Load the images of B posts.

        Returns:
            The pixels, as the transform's ``collate`` makes them, or ``None``; else the features of the cache, or
            ``None``; both are ``None`` where no post has an image. And true for each post whose image can be used,
            shape ``(B,)``.

        Raises:
            ImageError: If an image cannot be used, under the policy ``error``.
        """
        keys = [self._cached(post) for post in posts]
        images = [None if key else self._load(post) for key, post in zip(keys, posts, strict=True)]
        if any(keys) and self.cache is not None:
            if all(image is None for image in images):
                return None, self.cache.read(keys), torch.tensor([key is not None for key in keys])
            images = [self._load(post) if key else image for post, key, image in zip(posts, keys, images, strict=True)]
        return self.transform.collate(images), None, torch.tensor([image is not None for image in images])

    def stay_inside(self, folders: Iterable[Path | None]) -> None:
        """Read no file outside these folders; no change where none is known."""
        known = tuple(folder for folder in folders if folder is not None)
        if known:
            self.loader = replace(self.loader, folders=known)

    def record(self, posts: Sequence[Post], image_mask: Tensor) -> None:
        """Note which images could be used, in the process that reports.

        Data workers count for themselves alone, but what they found out is in the mask of each batch. Call this
        before the batch goes to a device.

        Args:
            posts: B posts.
            image_mask: True where a post's image could be used, shape ``(B,)``.
        """
        for post, usable in zip(posts, image_mask.tolist(), strict=True):
            if post.image is not None:
                self._seen[post.image] = post
                if not usable:
                    self._bad[post.image] = post

    def summary(self) -> ImageSummary:
        """What became of the images recorded since the last summary; each bad one is read again for its reason."""
        summary = ImageSummary(len(self._seen), {path: self._reason(post) for path, post in self._bad.items()})
        self._seen, self._bad = {}, {}
        return summary

    def _cached(self, post: Post) -> str | None:
        if self.cache is None or post.image is None:
            return None
        try:
            return self.cache.key_of(self.loader.locate(post.image))
        except ImageError:  # which loading it will meet again, and handle
            return None

    def _load(self, post: Post) -> Tensor | None:
        try:
            return self.transform.load(post, self.loader)
        except ImageError:
            if self.loader.on_bad_image == "error":
                raise
            return None

    def _reason(self, post: Post) -> str:
        try:
            self.transform.load(post, self.loader)
        except ImageError as error:
            return str(error)
        return f"{post.image}: could not be read when it was needed, but can be now"

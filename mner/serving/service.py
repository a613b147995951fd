"""Tagging the posts of requests: images are checked and stored for the time of the request, posts are batched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.exceptions import HTTPException

from mner.download import download, is_public
from mner.errors import ConfigurationError, DataError, ImageError
from mner.images import load_image
from mner.inference.tagger import Tagger
from mner.posts import Entities, Post
from mner.predictions import Prediction, confident
from mner.serving.batcher import Batcher, OverloadedError
from mner.serving.limits import Limits
from mner.serving.requests import NewPost
from mner.vision.file_transform import FileTransform

_DOWNLOADS = 16
"""Maximum number of downloads at a time; they have threads of their own, so that slow hosts delay nothing else."""
_PREPARED = 2
"""Maximum number of requests that are prepared at a time; more would compete with the model, and none be first."""
NO_IMAGES = "the model does not use images; the image was ignored"


class Service:
    """A tagger behind a queue.

    Args:
        tagger: The tagger.
        limits: Limits on what a client sends.
        batch_size: Maximum number of posts per batch.
        max_wait: Seconds that a post waits for others.
        with_urls: Whether images are downloaded from addresses that clients give.
        threshold: Leave out entities with a lower confidence, unless a request has another threshold.

    Raises:
        ConfigurationError: If the model reads the regions of images from a file.
    """

    def __init__(
        self,
        tagger: Tagger,
        limits: Limits | None = None,
        *,
        batch_size: int = 32,
        max_wait: float = 0.005,
        with_urls: bool = False,
        threshold: float = 0.0,
    ) -> None:
        encoders = [model.image_encoder for model in tagger.models if model.image_encoder is not None]
        if any(isinstance(encoder.image_transform, FileTransform) for encoder in encoders):
            raise ConfigurationError(
                "the model reads the regions of its images from a file, which new images are not in; serve a model "
                "with another image encoder"
            )
        self.tagger = tagger
        self.limits = limits or Limits()
        self.with_urls = with_urls
        self.threshold = threshold
        self.sees_images = bool(encoders)
        self.is_draining = False
        self._folder = TemporaryDirectory(prefix="mner_serve_", ignore_cleanup_errors=True)
        self._workers = ThreadPoolExecutor(_PREPARED, thread_name_prefix="mner requests")
        self._downloads = ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="mner download")
        self.batcher: Batcher[Post, Entities] = Batcher(
            lambda posts: tagger.predict_batch(posts, batch_size), batch_size, max_wait, self.limits.max_waiting
        )

    @property
    def is_ready(self) -> bool:
        """Whether new requests are tagged."""
        is_full = self.batcher.waiting >= self.limits.max_waiting
        return self.batcher.is_alive and not is_full and not self.is_draining

    def close(self) -> None:
        """Answer what waits, then remove the stored images."""
        self.batcher.close()
        for each in (self._workers, self._downloads):
            each.shutdown(wait=False, cancel_futures=True)
        self._folder.cleanup()

    async def tag(self, given: Sequence[NewPost], deadline: float) -> list[dict[str, Any]]:
        """Tag the posts of a request; whatever takes long is done in threads, so that other requests are read.

        Args:
            given: The posts.
            deadline: When images are no longer downloaded, as a time of the monotonic clock.

        Raises:
            HTTPException: If a post or image cannot be used (400), or too many posts wait (503).
        """
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Entities]] = []
        try:
            downloaded = [await self._download(each, deadline) for each in given]
            # Of its own, so that a request that is given up, whose thread continues, leaves nothing.
            with TemporaryDirectory(dir=self._folder.name, ignore_cleanup_errors=True) as folder:
                posts = await loop.run_in_executor(self._workers, self._posts, given, downloaded, Path(folder))
                futures += (asyncio.wrap_future(self.batcher.submit(post)) for post in posts)
                found = await asyncio.gather(*futures)
            return await loop.run_in_executor(self._workers, lambda: [*map(self._record, given, found)])
        except OverloadedError as error:
            raise HTTPException(503, str(error), {"Retry-After": "1"}) from None
        except (DataError, ImageError) as error:
            raise HTTPException(400, str(error)) from None
        finally:
            for future in futures:
                future.cancel()  # those that are not done

    async def _download(self, given: NewPost, deadline: float) -> list[bytes]:
        if given.image_urls and not self.with_urls:
            raise HTTPException(403, "this service downloads no images; send the image itself")

        def content(url: str) -> bytes:
            left = max(0.001, deadline - time.monotonic())
            return download(url, self.limits.max_body_bytes, left, is_public)

        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(self._downloads, content, url) for url in given.image_urls]

    def _posts(self, given: Sequence[NewPost], downloaded: Sequence[Sequence[bytes]], folder: Path) -> list[Post]:
        posts = []
        for number, (new, further) in enumerate(zip(given, downloaded, strict=True)):
            paths = []
            for place, content in enumerate((*new.images, *further) if self.sees_images else ()):
                # Uncompressed: the model's own loader reads it again, and Pillow writes it fast.
                paths.append(folder / f"{number}_{place}.bmp")
                load_image(content, max_pixels=self.limits.max_pixels).save(paths[-1])
            posts.append(self.tagger.new_post(new.text, paths, new.contexts))
        return posts

    def _record(self, given: NewPost, entities: Entities) -> dict[str, Any]:
        assert entities.post is not None
        threshold = self.threshold if given.threshold is None else given.threshold
        found = Prediction(entities.post.with_images(()), tuple(entities), entities.scores)
        record = confident(found, threshold).to_dict()
        del record["id"]
        ignored = (given.images or given.image_urls) and not self.sees_images
        return {**record, "warnings": [NO_IMAGES]} if ignored else record

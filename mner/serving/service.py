"""Tagging the posts of requests: images are checked and stored for the time of the request, posts are batched."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

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
        self._folder = TemporaryDirectory(prefix="mner_serve_")
        self.batcher: Batcher[Post, Entities] = Batcher(
            lambda posts: tagger.predict_batch(posts, batch_size), batch_size, max_wait, self.limits.max_waiting
        )

    def close(self) -> None:
        """Answer what waits, then remove the stored images."""
        self.batcher.close()
        self._folder.cleanup()

    async def tag(self, given: Sequence[NewPost]) -> list[dict[str, Any]]:
        """Tag the posts of a request.

        Raises:
            HTTPException: If a post or image cannot be used (400), too many posts wait (503) or time is up (504).
        """
        images: list[Path] = []
        futures: list[asyncio.Future[Entities]] = []
        try:
            posts = [await self._post(each, images) for each in given]
            futures += (asyncio.wrap_future(self.batcher.submit(post)) for post in posts)
            try:
                found = await asyncio.wait_for(asyncio.gather(*futures), self.limits.max_seconds)
            except asyncio.TimeoutError:
                raise HTTPException(504, f"no answer within {self.limits.max_seconds:g} seconds") from None
        except OverloadedError as error:
            raise HTTPException(503, str(error), {"Retry-After": "1"}) from None
        except (DataError, ImageError) as error:
            raise HTTPException(400, str(error)) from None
        finally:
            for future in futures:
                future.cancel()  # those that are not done
            for image in images:
                with suppress(OSError):
                    image.unlink()
        return [self._record(new, entities) for new, entities in zip(given, found, strict=True)]

    async def _post(self, given: NewPost, images: list[Path]) -> Post:
        contents = [*given.images]
        for url in given.image_urls:
            if not self.with_urls:
                raise HTTPException(403, "this service downloads no images; send the image itself")
            contents.append(
                await asyncio.to_thread(download, url, self.limits.max_body_bytes, self.limits.max_seconds, is_public)
            )
        paths = []
        for content in contents if self.sees_images else ():
            path = Path(self._folder.name) / f"{uuid4().hex}.bmp"
            images.append(path)
            paths.append(path)
            await asyncio.to_thread(self._store, content, path)
        return self.tagger.new_post(given.text, paths, given.contexts)

    def _store(self, content: bytes, path: Path) -> None:
        # Uncompressed: the model's own loader reads it again, and Pillow writes it fast.
        load_image(content, max_pixels=self.limits.max_pixels).save(path)

    def _record(self, given: NewPost, entities: Entities) -> dict[str, Any]:
        assert entities.post is not None
        threshold = self.threshold if given.threshold is None else given.threshold
        found = Prediction(entities.post.with_images(()), tuple(entities), entities.scores)
        record = confident(found, threshold).to_dict()
        del record["id"]
        ignored = (given.images or given.image_urls) and not self.sees_images
        return {**record, "warnings": [NO_IMAGES]} if ignored else record

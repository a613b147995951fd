"""Tagging new posts: raw text or words in, typed entities out."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from operator import index
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from mner.argument_types import check_range, check_type
from mner.batch import Batch
from mner.bounded_report import BoundedReport
from mner.data.embedded_images import content_of, is_embedded
from mner.data.read_ahead import read_ahead
from mner.decoders.entities import EntityLists
from mner.errors import ConfigurationError, DataError
from mner.fusion.base import FusionModule
from mner.images import ImageSource, load_image
from mner.inference.batches import BatchMaker
from mner.inference.new_posts import NewPost, NewPosts, kind_of, make_post
from mner.inference.tagging_options import TaggingOptions
from mner.posts import Entities, Post
from mner.predictions import Prediction, check_threshold, confident
from mner.preprocessor import Preprocessor
from mner.remote_images import RemoteImages
from mner.vision.feature_store import FeatureStore

DEFAULTS = TaggingOptions()


class Tagger:
    """Finds entities in new posts with a trained model.

    Args:
        model: The model; it runs on its own device, and is changed in place by options such as the precision.
        options: Precision, confidences and the like.

    Raises:
        ConfigurationError: If ``model`` is not a model, or cannot be run as the options say.
    """

    def __init__(self, model: FusionModule, options: TaggingOptions = DEFAULTS) -> None:
        if not isinstance(model, FusionModule):
            raise ConfigurationError(
                f"expected a model, got {kind_of(model)}; load a checkpoint: tagger = mner.load(PATH)"
            )
        if not isinstance(options, TaggingOptions):
            raise ConfigurationError(f"expected options to be TaggingOptions, got {kind_of(options)}")
        self.model = model.eval()
        self.models = [self.model]
        self.options = options
        options.prepare(model)
        self._store: FeatureStore | None = None
        self.preprocessor = model.preprocessor.using(draft_images=options.draft_images)

    def predict(
        self,
        text: str | Sequence[str],
        image: ImageSource | Sequence[ImageSource] | None = None,
        contexts: Mapping[str, str] | None = None,
        threshold: float = 0.0,
    ) -> Entities:
        """Find the entities of one post.

        Args:
            text: Raw text, which the model's own word tokenizer splits, or its words.
            image: The post's image, if it has one: a path, the bytes of an image file, also in base64 or as a data URL,
                or a Pillow image; or a list of several.
            contexts: Texts about the image, by kind, as the model was trained with.
            threshold: Leave out entities with a lower confidence.

        Returns:
            A list of entities in order, with type, text, word offsets, confidence and, for raw text, character
            offsets. Its ``scores`` are numbers that the model computed for the post, by name, if it has any; notebooks
            show it as the text with the entities highlighted.

        Raises:
            DataError: If the text is neither a string nor a sequence of strings, or the model does not read one of the
                contexts, or an image is an address.
            ImageError: If the image is not a path and cannot be used.

        Warns:
            UserWarning: If the image at a path cannot be used; the post is then tagged as one without an image.
        """
        given: list[Any] = [] if image is None else [*image] if isinstance(image, (list, tuple)) else [image]
        with TemporaryDirectory() as folder:  # a post names its images by paths
            paths: list[str | Path] = []
            for place, each in enumerate(given):
                if isinstance(each, str) and is_embedded(each):
                    each = content_of(each)[1]
                if not isinstance(each, (str, Path)):
                    content, each = each, Path(folder) / f"{place}.png"
                    load_image(content).save(each)
                paths.append(each)
            found = self.predict_batch([self.new_post(text, paths, contexts)], threshold=threshold)[0]
            if found.post is not None:  # without the images whose files are deleted
                kept = [path for path in found.post.images if path.parent != Path(folder)]
                found.post = found.post.with_images(kept)
        return found

    def use_image_folder(self, folder: Path | None, remote: RemoteImages | None = None) -> None:
        """Read images from one folder only; ``None`` lets posts name any file.

        Args:
            folder: The folder.
            remote: What images at an address may be fetched into it.
        """
        self.preprocessor = self.preprocessor.using(image_folders=[folder], remote=remote)

    def new_post(
        self,
        text: str | Sequence[str],
        image: str | Path | Sequence[str | Path] | None = None,
        contexts: Mapping[str, str] | None = None,
    ) -> Post:
        """Build a post to tag.

        Args:
            text: Raw text or words.
            image: The path of its image, or a list of those of several.
            contexts: Texts about the image, by kind.

        Raises:
            DataError: If the text is neither a string nor a sequence of strings, or the model does not read one of the
                contexts.
        """
        if contexts is not None and not isinstance(contexts, Mapping):
            raise DataError(
                f"expected contexts by kind, got {kind_of(contexts)}; give a dict such as {{'caption': ...}}"
            )
        unknown = sorted(map(str, set(contexts or ()) - set(self.preprocessor.contexts)))
        if unknown:
            raise DataError(
                f"the model was not trained with the contexts {', '.join(unknown)}; it reads "
                f"{', '.join(self.preprocessor.contexts) or 'none'}"
            )
        return make_post(text, image, contexts)

    def predict_batch(self, posts: Iterable[NewPost], batch_size: int = 32, threshold: float = 0.0) -> list[Entities]:
        """Find the entities of many posts.

        Args:
            posts: Posts, raw texts, sequences of words, or records such as ``{"text": ..., "image": ...}``, whose image
                is a path, bytes or a Pillow image; or a table of such records: a pandas ``DataFrame``, an Arrow table
                or a ``datasets.Dataset``.
            batch_size: Posts per batch.
            threshold: Leave out entities with a lower confidence.

        Returns:
            The entities of each post, in the order of the posts.

        Raises:
            DataError: If the posts are a single text or record, or one of them is none of the above.
            ConfigurationError: If ``batch_size`` is not a whole number of at least 1.

        Warns:
            UserWarning: For each of the first ten images that cannot be used.
        """
        found = self.stream(posts, batch_size, max_wait=None, threshold=threshold)
        return [Entities(prediction.entities, prediction.scores, prediction.post) for prediction in found]

    def stream(
        self,
        posts: Iterable[NewPost],
        batch_size: int = 32,
        window: int = 64,
        max_wait: float | None = 0.5,
        on_bad_image: Callable[[str], object] | None = None,
        threshold: float = 0.0,
    ) -> Iterator[Prediction]:
        """Tag a stream of posts, which may be endless, in constant memory.

        Args:
            posts: Any number of posts, as in :meth:`predict_batch`, read ahead in a thread. Raw text is split by the
                model's own word tokenizer.
            batch_size: Posts per batch.
            window: Batches that are sorted by length together, so that little is padded.
            max_wait: Seconds that a post waits for others to fill the window. ``None`` waits until it is full and reads
                in the calling thread, so that batches do not depend on how fast the posts come.
            on_bad_image: Called with a line about each image that cannot be used; the post is tagged as one without an
                image. By default the first ten raise a warning each.
            threshold: Leave out entities with a lower confidence.

        Returns:
            Predictions in the order of the posts.

        Raises:
            DataError: If the posts are a single text or record, or one of them cannot be one.
            ConfigurationError: If ``batch_size`` or ``window`` is not a whole number of at least 1, ``max_wait`` is not
                a number of seconds, ``on_bad_image`` cannot be called, or ``threshold`` is not between 0 and 1, or
                needs confidences that are not computed.
        """
        given = NewPosts(posts)
        batch_size, window = _size("batch_size", batch_size), _size("window", window)
        check_type("max_wait", max_wait, float | None)
        check_range("max_wait", max_wait, f"[0, {threading.TIMEOUT_MAX}]")
        if on_bad_image is not None and not callable(on_bad_image):
            raise ConfigurationError(f"expected on_bad_image to be a function of a line, got {on_bad_image!r:.60}")
        check_threshold(threshold)
        if threshold and not self.options.confidences:
            raise ConfigurationError(
                f"a threshold of {threshold:g} needs confidences; leave one of the two options out"
            )
        on_bad_image = on_bad_image or BoundedReport(lambda line: warnings.warn(line, stacklevel=4), "bad images")
        source = map(self.preprocessor.prepare, given)
        chunks = _chunks(source, min(batch_size * window, sys.maxsize), max_wait)
        found = self._stream(chunks, batch_size, on_bad_image, given)
        return (confident(each, threshold) for each in found) if threshold else found

    def _stream(
        self,
        chunks: Iterable[list[Post]],
        batch_size: int,
        on_bad_image: Callable[[str], object],
        given: NewPosts,
    ) -> Iterator[Prediction]:
        preprocessor = self.preprocessor.using(quiet=True)  # contexts are reported here, images below
        with given, BatchMaker(self.options.num_workers) as maker:
            for chunk in chunks:
                lengths = self.preprocessor.measure(chunk)
                order = sorted(range(len(chunk)), key=lengths.__getitem__)
                places = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
                groups = (
                    [replace(chunk[place], tags=None, spans=None, boxes=None) for place in group] for group in places
                )
                entities: dict[int, Entities] = {}
                batches = maker.make(self._with_features(chunk, preprocessor), groups)
                for group, batch in zip(places, batches, strict=True):
                    found, image_errors = self._tag(batch)
                    for error in filter(None, image_errors):
                        on_bad_image(error)
                    entities.update(zip(group, found, strict=True))
                for place, post in enumerate(chunk):
                    yield Prediction(given.release(post), tuple(entities[place]), entities[place].scores)

    @torch.inference_mode()
    def _tag(self, batch: Batch) -> tuple[EntityLists, Sequence[str | None]]:
        with self._context():
            return self._find(batch)

    def _find(self, batch: Batch) -> tuple[EntityLists, Sequence[str | None]]:
        """Find the entities, and say why images could not be used."""
        return self.model.predict_step(batch.to(self.model.device), 0), batch.image_errors

    def _context(self) -> AbstractContextManager[object]:
        return self.options.context(self.model.device)

    def _with_features(self, posts: Sequence[Post], preprocessor: Preprocessor) -> Preprocessor:
        """Return a preprocessor that reads the image features of the posts from the store, after filling it."""
        encoder = self.model.image_encoder
        if self.options.feature_store is None or encoder is None:
            return preprocessor
        if self._store is None:
            precision = self.options.lightning_precision
            self._store = FeatureStore.of(encoder, self.options.feature_store, precision=precision)
        images = [image for post in posts for image in preprocessor.images_of(post)]
        workers = max(1, self.options.num_workers)
        masking = replace(preprocessor.image_loader, on_bad_image="mask")  # bad ones are reported with their batch
        self._store.fill(encoder, images, masking, precision_context=self._context, num_threads=workers)
        return preprocessor.using(features=self._store)


def _chunks(posts: Iterator[Post], size: int, max_wait: float | None) -> Iterator[list[Post]]:
    if max_wait is not None:
        yield from read_ahead(posts, size, max_wait)
        return
    while chunk := list(islice(posts, size)):
        yield chunk


def _size(name: str, value: Any) -> int:
    try:
        size = index(value)
    except TypeError:
        size = 0
    if size < 1 or isinstance(value, bool):
        raise ConfigurationError(f"expected {name} to be a whole number of at least 1, got {value!r:.60}")
    return size

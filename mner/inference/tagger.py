"""Tagging new posts: raw text or words in, typed entities out."""

from __future__ import annotations

import json
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import StringIO
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from mner.batch import Batch
from mner.bounded_report import BoundedReport
from mner.data.read_ahead import read_ahead
from mner.data.readers import iter_posts
from mner.decoders.entities import EntityLists
from mner.errors import ConfigurationError, DataError
from mner.fusion.base import FusionModule
from mner.images import ImageSource, load_image
from mner.posts import Entities, Post
from mner.predictions import Prediction
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post

NewPost = Post | str | Sequence[str] | Mapping[str, Any]
"""What can be tagged: a post, raw text, words, or a record with the keys of a JSON record in a file."""


class Tagger:
    """Finds entities in new posts with a trained model.

    Args:
        model: The model; it runs on its own device.

    Raises:
        ConfigurationError: If ``model`` is not a model.
    """

    def __init__(self, model: FusionModule) -> None:
        if not isinstance(model, FusionModule):
            raise ConfigurationError(
                f"expected a model, got {_kind(model)}; load a checkpoint: tagger = mner.load(PATH)"
            )
        self.model = model.eval()
        self.preprocessor = model.preprocessor

    def predict(
        self,
        text: str | Sequence[str],
        image: ImageSource | None = None,
        contexts: Mapping[str, str] | None = None,
    ) -> Entities:
        """Find the entities of one post.

        Args:
            text: Raw text, which the model's own word tokenizer splits, or its words.
            image: The post's image, if it has one: a path, the bytes of an image file, or a Pillow image.
            contexts: Texts about the image, by kind, as the model was trained with.

        Returns:
            A list of entities in order, with type, text, word offsets, confidence and, for raw text, character
            offsets. Its ``scores`` are numbers that the model computed for the post, by name, if it has any; notebooks
            show it as the text with the entities highlighted.

        Raises:
            DataError: If the text is neither a string nor a sequence of strings, or the model does not read one of the
                contexts.
            ImageError: If the image is not a path and cannot be used.

        Warns:
            UserWarning: If the image at a path cannot be used; the post is then tagged as one without an image.
        """
        if image is None or isinstance(image, (str, Path)):
            return self.predict_batch([self.new_post(text, image, contexts)])[0]
        with TemporaryDirectory() as folder:  # a post names its image by a path
            path = Path(folder) / "image.png"
            load_image(image).save(path)
            found = self.predict_batch([self.new_post(text, path, contexts)])[0]
        if found.post is not None:
            found.post = replace(found.post, image=None)  # whose file is deleted
        return found

    def new_post(
        self, text: str | Sequence[str], image: str | Path | None = None, contexts: Mapping[str, str] | None = None
    ) -> Post:
        """Build a post to tag.

        Args:
            text: Raw text or words.
            image: The path of its image.
            contexts: Texts about the image, by kind.

        Raises:
            DataError: If the text is neither a string nor a sequence of strings, or the model does not read one of the
                contexts.
        """
        if contexts is not None and not isinstance(contexts, Mapping):
            raise DataError(f"expected contexts by kind, got {_kind(contexts)}; give a dict such as {{'caption': ...}}")
        unknown = sorted(map(str, set(contexts or ()) - set(self.preprocessor.contexts)))
        if unknown:
            raise DataError(
                f"the model was not trained with the contexts {', '.join(unknown)}; it reads "
                f"{', '.join(self.preprocessor.contexts) or 'none'}"
            )
        return make_post(text, image, contexts)

    def predict_batch(self, posts: Iterable[NewPost], batch_size: int = 32) -> list[Entities]:
        """Find the entities of many posts.

        Args:
            posts: Posts, raw texts, sequences of words, or records such as ``{"text": ..., "image": ...}``.
            batch_size: Posts per batch.

        Returns:
            The entities of each post, in the order of the posts.

        Raises:
            DataError: If the posts are a single text or record, or one of them is none of the above.
            ConfigurationError: If ``batch_size`` is not a whole number of at least 1.

        Warns:
            UserWarning: For each of the first ten images that cannot be used.
        """
        found = self.stream(posts, batch_size, max_wait=None)
        return [Entities(prediction.entities, prediction.scores, prediction.post) for prediction in found]

    def stream(
        self,
        posts: Iterable[NewPost],
        batch_size: int = 32,
        window: int = 64,
        max_wait: float | None = 0.5,
        on_bad_image: Callable[[str], object] | None = None,
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

        Returns:
            Predictions in the order of the posts.

        Raises:
            DataError: If the posts are a single text or record, or one of them cannot be one.
            ConfigurationError: If ``batch_size`` or ``window`` is not a whole number of at least 1, ``max_wait`` is not
                a number of seconds, or ``on_bad_image`` cannot be called.
        """
        if isinstance(posts, (str, bytes, Mapping, Post)) or not isinstance(posts, Iterable):
            raise DataError(f"expected several posts, got one {_kind(posts)}; give a list of them, or use predict")
        if hasattr(posts, "columns"):  # iterating over a table gives the names of its columns
            raise DataError(f"expected posts, got a {type(posts).__name__}; give its rows: posts.to_dict('records')")
        for name, size in (("batch_size", batch_size), ("window", window)):
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ConfigurationError(f"expected {name} to be a whole number of at least 1, got {size!r:.60}")
        if max_wait is not None and not (isinstance(max_wait, (int, float)) and 0 <= max_wait <= threading.TIMEOUT_MAX):
            raise ConfigurationError(f"expected max_wait to be a number of seconds or None, got {max_wait!r:.60}")
        if on_bad_image is not None and not callable(on_bad_image):
            raise ConfigurationError(f"expected on_bad_image to be a function of a line, got {on_bad_image!r:.60}")
        on_bad_image = on_bad_image or BoundedReport(lambda line: warnings.warn(line, stacklevel=4), "bad images")
        source = (self.preprocessor.prepare(_as_post(post)) for post in posts)
        return self._stream(_chunks(source, min(batch_size * window, sys.maxsize), max_wait), batch_size, on_bad_image)

    def _stream(
        self, chunks: Iterable[list[Post]], batch_size: int, on_bad_image: Callable[[str], object]
    ) -> Iterator[Prediction]:
        preprocessor = self.preprocessor.using(quiet=True)  # contexts were reported above, images are below
        for chunk in chunks:
            lengths = preprocessor.lengths(chunk)
            order = sorted(range(len(chunk)), key=lengths.__getitem__)
            entities: dict[int, Entities] = {}
            for start in range(0, len(order), batch_size):
                places = order[start : start + batch_size]
                batch = preprocessor([replace(chunk[place], tags=None, spans=None, boxes=None) for place in places])
                for error in filter(None, batch.image_errors):
                    on_bad_image(error)
                entities.update(zip(places, self._tag(batch), strict=True))
            for place, post in enumerate(chunk):
                yield Prediction(post, tuple(entities[place]), entities[place].scores)

    @torch.inference_mode()
    def _tag(self, batch: Batch) -> EntityLists:
        return self.model.predict_step(batch.to(self.model.device), 0)


def make_post(
    text: str | Sequence[str],
    image: str | Path | None = None,
    contexts: Mapping[str, str] | None = None,
    id: str = "",
) -> Post:
    """Build a post without tags from raw text or words.

    Raises:
        DataError: If the text is neither a string nor a sequence of strings.
    """
    given: dict[str, Any] = {
        "id": id,
        "image": None if image is None else Path(image),
        "contexts": dict(contexts or {}),
    }
    if isinstance(text, str):
        return raw_post(text, TweetTokenizer(), **given)
    if isinstance(text, Sequence) and not isinstance(text, bytes) and all(isinstance(word, str) for word in text):
        return Post(words=tuple(text), **given)
    raise DataError(f"expected a text or its words, got {_kind(text)}: {text!r:.60}; give a str or a list of str")


def _as_post(post: NewPost) -> Post:
    if isinstance(post, Post):
        return post
    if not isinstance(post, Mapping):
        return make_post(post)
    record = dict(post)
    image = record.pop("image", None) or None  # in a file it may not leave the image folder; here it may be anywhere
    if image is not None and not isinstance(image, (str, Path)):
        raise DataError(f"expected the path of an image, got {_kind(image)}: {image!r:.60}; save it and give its path")
    try:
        line = json.dumps(record)
    except (TypeError, ValueError) as error:
        raise DataError(f"a record that is not plain JSON: {error}; give the keys of a JSON record") from error
    (made,) = iter_posts(StringIO(line), format="json")
    return made if image is None else replace(made, image=Path(image))


def _chunks(posts: Iterator[Post], size: int, max_wait: float | None) -> Iterator[list[Post]]:
    if max_wait is not None:
        yield from read_ahead(posts, size, max_wait)
        return
    while chunk := list(islice(posts, size)):
        yield chunk


def _kind(value: object) -> str:
    return "text" if isinstance(value, str) else type(value).__name__

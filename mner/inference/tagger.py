"""Tagging new posts: raw text or words in, typed entities out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from mner.errors import DataError
from mner.fusion.base import FusionModule
from mner.posts import Entity, Post
from mner.predictions import Prediction
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post


class Tagger:
    """Finds entities in new posts with a trained model.

    Args:
        model: The model; its device is where it runs.
    """

    def __init__(self, model: FusionModule) -> None:
        self.model = model.eval()
        self.preprocessor = model.preprocessor

    def predict(
        self,
        text: str | Sequence[str],
        image: str | Path | None = None,
        contexts: Mapping[str, str] | None = None,
    ) -> list[Entity]:
        """Find the entities of one post.

        Args:
            text: Raw text, which the model's own word tokenizer splits, or its words.
            image: Path of the post's image, if it has one.
            contexts: Texts about the image, by kind, as the model was trained with.

        Returns:
            Entities in order, with type, text, word offsets, confidence and, for raw text, character offsets.

        Raises:
            DataError: If the model does not read one of the contexts.
        """
        unknown = sorted(set(contexts or ()) - set(self.preprocessor.contexts))
        if unknown:
            raise DataError(
                f"the model was not trained with the contexts {', '.join(unknown)}; it reads "
                f"{', '.join(self.preprocessor.contexts) or 'none'}"
            )
        return self.predict_batch([make_post(text, image, contexts)])[0]

    def predict_batch(self, posts: Iterable[Post | str | Sequence[str]], batch_size: int = 32) -> list[list[Entity]]:
        """Find the entities of many posts.

        Args:
            posts: Posts, raw texts, or lists of words.
            batch_size: Posts tagged at once.

        Returns:
            The entities of each post, in the order of the posts.

        Raises:
            DataError: If the posts are a single text.
        """
        if isinstance(posts, str):
            raise DataError("expected several posts, got one text; give a list of texts, or use predict")
        made = (post if isinstance(post, Post) else make_post(post) for post in posts)
        return [list(prediction.entities) for prediction in self.stream(made, batch_size)]

    def stream(self, posts: Iterable[Post], batch_size: int = 32, window: int = 64) -> Iterator[Prediction]:
        """Tag a stream of posts in constant memory.

        Args:
            posts: Any number of posts. Raw text is split by the model's own word tokenizer.
            batch_size: Posts tagged at once.
            window: Batches read ahead and sorted by length, so that little is padded.

        Yields:
            Predictions in the order of the posts.
        """
        source = map(self.preprocessor.prepare, posts)
        while chunk := list(islice(source, batch_size * window)):
            lengths = self.preprocessor.lengths(chunk)
            order = sorted(range(len(chunk)), key=lengths.__getitem__)
            entities: dict[int, list[Entity]] = {}
            for start in range(0, len(order), batch_size):
                places = order[start : start + batch_size]
                entities.update(zip(places, self._tag([chunk[place] for place in places]), strict=True))
            for place, post in enumerate(chunk):
                yield Prediction(post, tuple(entities[place]))

    @torch.inference_mode()
    def _tag(self, posts: Sequence[Post]) -> list[list[Entity]]:
        batch = self.preprocessor([replace(post, tags=None) for post in posts])
        return self.model.predict_step(batch.to(self.model.device), 0)


def make_post(
    text: str | Sequence[str],
    image: str | Path | None = None,
    contexts: Mapping[str, str] | None = None,
    id: str = "",
) -> Post:
    """A post without tags from raw text or words."""
    given: dict[str, Any] = {
        "id": id,
        "image": None if image is None else Path(image),
        "contexts": dict(contexts or {}),
    }
    if not isinstance(text, str):
        return Post(words=tuple(text), **given)
    return raw_post(text, TweetTokenizer(), **given)

"""The function that renders posts, whatever they were given as."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from mner.display.marked_post import MarkedPost, mark_post, mark_prediction
from mner.display.rendering import Rendering
from mner.errors import ConfigurationError, DataError
from mner.posts import Entities, Post
from mner.predictions import Prediction

Shown: TypeAlias = "Post | Prediction | Entities"
"""What can be rendered: a post with its gold entities, a prediction, or what a tagger returned."""
Kind = Literal["correct", "wrong_type", "wrong_boundary", "wrong_both", "missed", "spurious", "none"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def render(
    posts: Shown | Iterable[Shown],
    *,
    title: str = "Posts",
    images: bool | str | Path = True,
    kinds: Collection[Kind] = KINDS,
) -> Rendering:
    """Render posts with their entities highlighted.

    A post with gold tags and predictions is shown with both and with the kind of each error. The result is displayed by
    a notebook, printed as text, and written by :meth:`Rendering.save` as one HTML file that contains its images and
    loads nothing.

    Args:
        posts: One or several posts, predictions, or results of :meth:`mner.inference.tagger.Tagger.predict`.
        title: Heading of the page.
        images: Whether images are embedded in HTML; a folder is where the posts' images are, and no file outside it is
            read.
        kinds: Show only posts with an entity of one of these kinds of error, or without any entity (``none``); posts
            that have nothing to compare are always shown.

    Raises:
        DataError: If one of ``posts`` is something else, or an entity is not within its post or overlaps another.
        ConfigurationError: If a kind is unknown.

    Example:
        >>> print(render(Post("1", ("Oslo", "is", "loud"), ("B-LOC", "O", "O"))))
        1: [Oslo LOC] is loud
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise ConfigurationError(f"expected kinds among {', '.join(KINDS)}, got {unknown[0]!r}")
    given = [posts] if isinstance(posts, (Post, Prediction, Entities)) else posts
    marked = [each for each in _marked(given) if not each.kinds or set(kinds) & set(each.kinds)]
    return Rendering(marked, title, images)


def _marked(posts: object) -> Iterator[MarkedPost]:
    if isinstance(posts, (str, bytes)) or not isinstance(posts, Iterable):
        raise _unknown(posts)
    for each in posts:
        if isinstance(each, Post):
            yield mark_post(each)
        elif isinstance(each, Prediction):
            yield mark_prediction(each)
        elif isinstance(each, Entities) and each.post is not None:
            yield mark_post(each.post, each)
        else:
            raise _unknown(each)


def _unknown(value: object) -> DataError:
    return DataError(
        f"expected posts, predictions or the entities that a tagger returned, got a {type(value).__name__}; tag texts "
        "first: mner.render(tagger.predict_batch(texts))"
    )

"""What can be tagged, as posts: texts, words, records of any library, and rows of tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from mner.data.embedded_images import content_of, is_embedded
from mner.data.image_names import LINK
from mner.data.lines import Line, Notes
from mner.data.literals import decoded
from mner.data.plain import plain
from mner.data.records import post_from_record
from mner.data.tables import is_table, rows_of
from mner.errors import DataError, FormatError, ImageError
from mner.posts import Post
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post

NewPost: TypeAlias = "Post | str | Sequence[str] | Mapping[str, Any]"
"""What can be tagged: a post, raw text, words, or a record with the keys of a JSON record in a file."""


class NewPosts:
    """Iterates over posts made of what users give, once.

    Values of NumPy and pandas in records are converted. Images in memory are kept in files, since a post names its
    image, until :meth:`release`.

    Args:
        posts: Posts, texts, words or records, any number of them, or a table.

    Raises:
        DataError: If the posts are a single text or record.
    """

    def __init__(self, posts: Iterable[NewPost]) -> None:
        if isinstance(posts, (str, bytes, Mapping, Post)) or not isinstance(posts, Iterable):
            raise DataError(f"expected several posts, got one {kind_of(posts)}; give a list of them, or use predict")
        # A column is a table's, too, but iterating over it gives its values.
        self._posts = rows_of(posts) if is_table(posts) and not hasattr(posts, "to_frame") else posts
        self._notes = Notes(Path("posts"), lenient=True, unit="post")
        self._folder: TemporaryDirectory[str] | None = None

    def __iter__(self) -> Iterator[Post]:
        """Yield the posts; a record without an id is named by its number.

        Raises:
            DataError: If one of them cannot be a post; gives its number.
        """
        try:
            for number, post in enumerate(self._posts, start=1):
                yield self._made(post, number)
        finally:
            self._notes.report()

    def __enter__(self) -> NewPosts:
        """Return the posts, whose images are deleted at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the images that were given in memory."""
        if self._folder is not None:
            self._folder.cleanup()

    def release(self, post: Post) -> Post:
        """Delete the files of images that were given in memory, and return the post without them."""
        if self._folder is None or not any(self._is_saved(image) for image in post.images):
            return post
        for image in filter(self._is_saved, post.images):
            image.unlink(missing_ok=True)
        return post.with_images([image for image in post.images if not self._is_saved(image)])

    def _is_saved(self, image: Path) -> bool:
        return self._folder is not None and image.parent == Path(self._folder.name)

    def _made(self, post: NewPost, number: int) -> Post:
        if isinstance(post, Post):
            return post
        if not isinstance(post, Mapping):
            return make_post(post)
        line = Line(self._notes.path, number, 0, b"", self._notes)
        record = dict(post)
        # In a file they may not leave the image folder; here they may be anywhere.
        image, images = record.pop("image", None), decoded(record.pop("images", None))
        try:
            made = post_from_record(plain(record), line)
            paths = self._paths(image, images, number)
        except FormatError:
            raise
        except (DataError, ImageError) as error:
            raise line.error(str(error), "Give a record of plain values, and an image or its path") from error
        return made.with_images(paths) if paths else made

    def _paths(self, image: Any, images: Any, number: int) -> list[Path]:
        if _is_missing(images):
            images = []
        if isinstance(images, (str, bytes, Mapping)) or not isinstance(images, Iterable):
            raise DataError(f"expected images as a list of images, got {kind_of(images)}: {images!r:.60}")
        given = [*images]
        if given and not _is_missing(image):
            raise DataError("an image and a list of images; give one of them")
        paths = [self._path(each, f"{number}_{place}") for place, each in enumerate(given or [image])]
        return [path for path in paths if path is not None]

    def _path(self, image: Any, name: str) -> Path | None:
        """The path of an image, which is saved if it is given as bytes, as an image, or as ``datasets`` has it."""
        if isinstance(image, Mapping):
            given, content = content_of(image)
            image = content or given
        if _is_missing(image):
            return None
        if isinstance(image, (str, Path)) and not is_embedded(image):
            return _path_of(image) if image else None
        if not is_embedded(image):
            raise DataError(f"expected an image or its path, got {kind_of(image)}: {image!r:.60}")
        if self._folder is None:
            self._folder = TemporaryDirectory()
        path = Path(self._folder.name) / f"{name}.png"
        path.write_bytes(content_of(image)[1] or b"")  # as it is: whether it can be used is reported as for any file
        return path


def make_post(
    text: str | Sequence[str],
    images: str | Path | Sequence[str | Path] | None = None,
    contexts: Mapping[str, str] | None = None,
    id: str = "",
) -> Post:
    """Build a post without tags from raw text or words, with any number of images.

    Raises:
        DataError: If the text is neither a string nor a sequence of strings, or an image is an address.
    """
    given_images = [images] if isinstance(images, (str, Path)) else images or ()
    paths = [_path_of(each) for each in given_images if each != ""]  # no image, as in a file
    given: dict[str, Any] = {
        "id": id,
        "image": paths[0] if paths else None,
        "more_images": tuple(paths[1:]),
        "contexts": dict(contexts or {}),
    }
    if isinstance(text, str):
        return raw_post(text, TweetTokenizer(), **given)
    if isinstance(text, Sequence) and not isinstance(text, bytes) and all(isinstance(word, str) for word in text):
        return Post(words=tuple(text), **given)
    raise DataError(f"expected a text or its words, got {kind_of(text)}: {text!r:.60}; give a str or a list of str")


def _path_of(image: str | Path) -> Path:
    if isinstance(image, str) and LINK.match(image):
        raise DataError(
            f"the image {image!r:.80} is a link, which is not fetched; give the image itself, or posts of "
            "read_posts(..., remote=RemoteImages())"
        )
    return Path(image)


def _is_missing(value: object) -> bool:
    return value is None or type(value).__name__ == "NAType" or (isinstance(value, float) and math.isnan(value))


def kind_of(value: object) -> str:
    """The kind of a value, for messages."""
    return "text" if isinstance(value, str) else type(value).__name__

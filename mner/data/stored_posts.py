"""Any number of posts in constant memory: in a memory-mapped Arrow file, each made when it is accessed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, fields
from functools import cached_property
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from mner.data.post_facts import FactCounter, PostFacts
from mner.errors import DataError
from mner.files import atomic_write
from mner.output_paths import output_errors
from mner.posts import Post

POSTS_FILE, FACTS_FILE = "posts.arrow", "facts.json"
LAYOUT = 2
"""Counted up when posts or facts are stored in another way."""
ROWS = 1000
"""Posts per record batch; the last one may have fewer."""

_COLUMNS = ("id", "words", "tags", "images", "others")
_ENCODER = json.JSONEncoder(check_circular=False)
_DECODER = json.JSONDecoder()
_OTHERS = {
    each.name: each.default_factory() if each.default_factory is not MISSING else each.default
    for each in fields(Post)
    if each.name not in {*_COLUMNS, "image", "more_images"}
}
_VALUES = attrgetter(*_OTHERS)


class StoredPosts(Sequence[Post]):
    """The posts of a folder that :func:`store_posts` wrote, or some of them.

    It is pickled as the path of the folder, so that loader workers share the pages of the file.

    Args:
        folder: The folder.
        places: The rows of these posts in the file, in order; all by default.
        change: A function that is applied to each post, such as a renaming of its tags; can be pickled.
    """

    def __init__(
        self,
        folder: Path,
        places: npt.NDArray[np.int64] | None = None,
        change: Callable[[Post], Post] | None = None,
    ) -> None:
        self.folder = folder
        self.places = places
        self._change = change

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped file out."""
        return {"folder": self.folder, "places": self.places, "_change": self._change}

    @cached_property
    def facts(self) -> PostFacts:
        """What was counted over the whole file when it was written, before any change."""
        return PostFacts.from_json((self.folder / FACTS_FILE).read_text(encoding="utf-8"))

    def select(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> StoredPosts:
        """Return the posts at some indices."""
        rows = np.asarray(indices, np.int64)
        return StoredPosts(self.folder, rows if self.places is None else self.places[rows], self._change)

    def changed(self, change: Callable[[Post], Post]) -> StoredPosts:
        """Return the posts with a change, which is applied after earlier ones."""
        return StoredPosts(self.folder, self.places, change if self._change is None else _Both(self._change, change))

    def __len__(self) -> int:
        """Return the number of posts."""
        return self.facts.posts if self.places is None else len(self.places)

    @overload
    def __getitem__(self, index: int) -> Post: ...
    @overload
    def __getitem__(self, index: slice) -> StoredPosts: ...
    def __getitem__(self, index: int | slice) -> Post | StoredPosts:
        """Make the post at an index; a slice makes none."""
        number = range(len(self))[index]
        if isinstance(number, range):
            return self.select(number)
        batch, row = divmod(number if self.places is None else int(self.places[number]), ROWS)
        return self._post(*(self._batches[batch].column(name)[row].as_py() for name in _COLUMNS))

    def __iter__(self) -> Iterator[Post]:
        """Make the posts in order."""
        if self.places is not None:
            yield from map(self.__getitem__, range(len(self)))
            return
        for batch in self._batches:
            yield from map(self._post, *(batch.column(name).to_pylist() for name in _COLUMNS))

    def image_paths(self) -> Iterator[str]:
        """Yield the path of each image once, in any order; changes are not applied."""
        import pyarrow.compute

        kind = pyarrow.list_(pyarrow.string())
        images = pyarrow.chunked_array([batch.column("images") for batch in self._batches], kind)
        images = images if self.places is None else images.take(self.places)
        images = pyarrow.compute.unique(pyarrow.compute.list_flatten(images))
        for start in range(0, len(images), ROWS):
            yield from images.slice(start, ROWS).to_pylist()

    def sums_over_words(self, numbers_of: Callable[[list[str]], Sequence[int]]) -> npt.NDArray[np.int32]:
        """Return a sum over the words of each post, without making the posts; changes are not applied.

        Args:
            numbers_of: Returns a number for each of some distinct words.
        """
        sums = []
        for batch in self._batches:
            words = batch.column("words")
            distinct = words.flatten().dictionary_encode()
            numbers = np.array(numbers_of(distinct.dictionary.to_pylist()), np.int32)[distinct.indices.to_numpy()]
            sums.append(np.diff(np.append(0, np.cumsum(numbers, dtype=np.int32))[words.offsets.to_numpy()]))
        return np.concatenate(sums) if self.places is None else np.concatenate(sums)[self.places]

    @cached_property
    def _batches(self) -> list[Any]:
        import pyarrow

        path = self.folder / POSTS_FILE
        try:
            with pyarrow.ipc.open_file(pyarrow.memory_map(str(path))) as file:
                return [file.get_batch(number) for number in range(file.num_record_batches)]
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise DataError(
                f"the stored posts {path} cannot be read ({error}); delete the folder {self.folder}, and "
                "repeat the command"
            ) from error

    def _post(self, id: str, words: list[str], tags: list[str] | None, images: list[str], others: str | None) -> Post:
        first, more = (Path(images[0]), tuple(map(Path, images[1:]))) if images else (None, ())
        rest = {} if others is None else _decoded(others)
        post = Post(id, tuple(words), None if tags is None else tuple(tags), first, more_images=more, **rest)
        return post if self._change is None else self._change(post)


class _Both:
    """Two changes, one after the other; unlike a nested function, it can be pickled."""

    def __init__(self, first: Callable[[Post], Post], second: Callable[[Post], Post]) -> None:
        self.first, self.second = first, second

    def __call__(self, post: Post) -> Post:
        return self.second(self.first(post))


def store_posts(posts: Iterable[Post], folder: Path) -> PostFacts:
    """Write posts to a folder, in constant memory.

    Args:
        posts: The posts; their strings are encoded in UTF-8.
        folder: The folder, which is created.

    Returns:
        What was counted.

    Raises:
        OutputError: If the system refuses to write.
    """
    import pyarrow

    strings = pyarrow.list_(pyarrow.string())
    kinds = (pyarrow.string(), strings, strings, strings, pyarrow.string())
    schema = pyarrow.schema(list(zip(_COLUMNS, kinds, strict=True)))
    counter = FactCounter()
    with output_errors(folder, always=True):
        folder.mkdir(parents=True, exist_ok=True)
    with (
        atomic_write(folder / POSTS_FILE, "wb") as target,
        pyarrow.ipc.new_file(pyarrow.PythonFile(target, "w"), schema) as file,
    ):
        counted = counter.counting(posts)
        while (columns := _columns(islice(counted, ROWS)))[0]:
            file.write_batch(pyarrow.record_batch(columns, schema=schema))
    with atomic_write(folder / FACTS_FILE) as text:
        text.write(counter.facts.to_json())
    return counter.facts


def _columns(posts: Iterable[Post]) -> list[list[Any]]:
    """The values of each column; it keeps tuples of strings only, which cost the garbage collector nothing."""
    columns: list[list[Any]] = [[] for _ in _COLUMNS]
    for post in posts:
        for column, value in zip(columns, _row(post), strict=True):
            column.append(value)
    return columns


def _row(post: Post) -> tuple[Any, ...]:
    """The values of a post in the columns; the last one has the fields that differ from their defaults, as JSON."""
    others = {name: value for name, value in zip(_OTHERS, _VALUES(post), strict=True) if value != _OTHERS[name]}
    if "boxes" in others:
        others["boxes"] = [[*bounds, several] for bounds, several in others["boxes"].items()]
    encoded = _ENCODER.encode(others) if others else None
    return post.id, post.words, post.tags, tuple(map(str, post.images)), encoded


def _decoded(encoded: str) -> dict[str, Any]:
    others, _ = _DECODER.raw_decode(encoded)
    for name in ("offsets", "spans"):
        if name in others:
            others[name] = tuple(map(tuple, others[name]))
    if "boxes" in others:
        others["boxes"] = {(start, end): tuple(map(tuple, several)) for start, end, several in others["boxes"]}
    return dict(others)

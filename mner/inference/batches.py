"""Batches prepared in threads while a model computes: tokenization in one, decoding of images in several."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType

from mner.batch import Batch
from mner.posts import Post
from mner.preprocessor import Preprocessor

AHEAD = 2
"""Batches that are prepared before the model asks for them."""


class BatchMaker:
    """Makes batches in the order in which their posts are given; a context manager that ends its threads.

    Args:
        num_workers: Number of threads that load images; 0 makes each batch when it is asked for.
    """

    def __init__(self, num_workers: int) -> None:
        self._stack = ExitStack()
        self._batches: ThreadPoolExecutor | None = None
        self._images: ThreadPoolExecutor | None = None
        if num_workers:
            self._images = self._stack.enter_context(ThreadPoolExecutor(num_workers, "mner-images"))
            # One thread: a fast tokenizer must not be used by two at a time.
            self._batches = self._stack.enter_context(ThreadPoolExecutor(1, "mner-batches"))

    def __enter__(self) -> BatchMaker:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the threads."""
        for pool in (self._batches, self._images):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
        self._stack.close()

    def make(self, preprocessor: Preprocessor, groups: Iterable[Sequence[Post]]) -> Iterator[Batch]:
        """Make a batch of each group of posts."""
        if self._batches is None or self._images is None:
            yield from map(preprocessor, groups)
            return
        threaded = preprocessor.using(image_map=self._images.map)
        waiting: deque[Future[Batch]] = deque()
        for group in groups:
            waiting.append(self._batches.submit(threaded, group))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

"""Dynamic batching: posts of several requests are tagged together, in one thread."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from mner.errors import MNERError

Item = TypeVar("Item")
Result = TypeVar("Result")


class OverloadedError(MNERError):
    """More items wait than allowed."""


class Batcher(Generic[Item, Result]):
    """Collects items and processes them in batches, in the order of their arrival.

    What arrived while a batch was processed forms the next one, so that batches grow with the load. An item whose batch
    fails is processed again on its own: one bad item does not affect others.

    Args:
        process: Processes a batch; called by one thread only.
        batch_size: Maximum number of items per batch.
        max_wait: Seconds that the first item of a batch waits for others.
        max_waiting: Maximum number of waiting items.
    """

    def __init__(
        self,
        process: Callable[[list[Item]], Sequence[Result]],
        batch_size: int = 32,
        max_wait: float = 0.005,
        max_waiting: int = 1024,
    ) -> None:
        self.process = process
        self.batch_size = batch_size
        self.max_wait = max_wait
        self.batches = 0
        self._waiting: queue.Queue[tuple[Item, Future[Result]] | None] = queue.Queue(max_waiting)
        self._thread = threading.Thread(target=self._run, name="mner batches", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Approximate number of waiting items."""
        return self._waiting.qsize()

    @property
    def is_alive(self) -> bool:
        """Whether items are still processed."""
        return self._thread.is_alive()

    def submit(self, item: Item) -> Future[Result]:
        """Add an item; a future that is cancelled before its turn costs nothing.

        Raises:
            OverloadedError: If too many items wait.
        """
        future: Future[Result] = Future()
        try:
            self._waiting.put_nowait((item, future))
        except queue.Full:
            raise OverloadedError("too many posts are waiting; try again later") from None
        return future

    def close(self) -> None:
        """Process what waits, then stop."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, is_last = self._collect(first)
            started = [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]
            if started:
                self._answer(started)
            if is_last:
                return

    def _collect(self, first: tuple[Item, Future[Result]]) -> tuple[list[tuple[Item, Future[Result]]], bool]:
        """The next batch, and whether it is the last."""
        batch = [first]
        deadline = time.monotonic() + self.max_wait
        while len(batch) < self.batch_size:
            try:
                following = self._waiting.get(timeout=max(deadline - time.monotonic(), 0.0))
            except queue.Empty:
                break
            if following is None:
                return batch, True
            batch.append(following)
        return batch, False

    def _answer(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        self.batches += 1
        try:
            results = self.process([item for item, _ in batch])
        except Exception as error:  # whatever the model raises belongs to the request
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            for single in batch:
                self._answer([single])
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)

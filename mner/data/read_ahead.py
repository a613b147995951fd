"""Reading ahead of a consumer: full chunks from a fast source, small ones without delay from a slow one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, TypeVar

Item = TypeVar("Item")

_END = object()


def read_ahead(items: Iterable[Item], size: int, max_wait: float) -> Iterator[list[Item]]:
    """Read items in a thread and group them, so that none waits long for later ones.

    Args:
        items: Any number of items, of which at most ``2 * size`` are read ahead of the consumer.
        size: Maximum number of items in a chunk.
        max_wait: Seconds after its first item at which an incomplete chunk is yielded.

    Yields:
        The items in order, in lists of 1 to ``size``. An error of ``items`` is raised after the items before it.
    """
    queue: Queue[Any] = Queue(size)
    errors: list[BaseException] = []
    abandoned = Event()

    def read() -> None:
        try:
            for item in items:
                queue.put(item)
                if abandoned.is_set():
                    return
        except BaseException as error:  # raised again in the consumer
            errors.append(error)
        queue.put(_END)

    # A daemon thread: a blocked source must not keep the program from ending.
    Thread(target=read, name="mner-read-ahead", daemon=True).start()
    chunk: list[Item] = []
    deadline = 0.0
    try:
        while True:
            try:
                item = queue.get(timeout=max(0.0, deadline - time.monotonic()) if chunk else None)
            except Empty:
                yield chunk
                chunk = []
                continue
            if item is _END:
                break
            deadline = deadline if chunk else time.monotonic() + max_wait
            chunk.append(item)
            if len(chunk) == size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk
        if errors:
            raise errors[0]
    finally:
        abandoned.set()
        while not queue.empty():  # the thread may be waiting for space
            queue.get()

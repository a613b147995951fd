"""Reading ahead: full chunks of what is there, a small one when nothing more comes, and errors in their place."""

import threading
import time
from itertools import chain, count

import pytest

from mner.data.read_ahead import read_ahead


@pytest.mark.parametrize("total", [0, 1, 5, 6, 7])
def test_a_fast_source_gives_full_chunks(total):
    chunks = list(read_ahead(range(total), 3, 60))
    assert list(chain.from_iterable(chunks)) == list(range(total))
    assert [len(chunk) for chunk in chunks] == [3] * (total // 3) + [total % 3] * bool(total % 3)


def test_a_slow_source_gives_what_is_there():
    """The next item comes only when the one before it has been yielded, so that waiting for a full chunk never ends."""
    answered = threading.Semaphore(1)

    def items():
        for item in range(3):
            assert answered.acquire(timeout=60)
            yield item

    chunks = []
    for chunk in read_ahead(items(), 100, 0.01):
        chunks.append(chunk)
        answered.release()
    assert chunks == [[0], [1], [2]]


def test_an_endless_source_is_read_no_further_than_two_chunks_and_left_in_the_end():
    read = 0
    closed = threading.Event()

    def items():
        nonlocal read
        try:
            for number in count(1):
                read = number
                yield number
        finally:
            closed.set()

    ahead = read_ahead(items(), 10, 60)
    for index, chunk in zip(range(5), ahead, strict=False):
        time.sleep(0.05)
        assert chunk == list(range(10 * index + 1, 10 * index + 11))
        assert read <= 10 * (index + 1) + 12
    ahead.close()
    assert closed.wait(60)


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield from range(4)
        raise ValueError("broken")

    got = []
    with pytest.raises(ValueError, match="broken"):
        got.extend(read_ahead(items(), 3, 60))
    ahead = read_ahead(items(), 3, 60)
    assert [next(ahead), next(ahead)] == [[0, 1, 2], [3]]
    with pytest.raises(ValueError, match="broken"):
        next(ahead)

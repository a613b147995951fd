"""Dynamic batching: order, sizes, failures, cancellation, closing."""

import threading

import pytest

from mner.serving.batcher import Batcher, OverloadedError


@pytest.fixture
def gate():
    """A batcher whose first batch waits until the gate is opened, and the batches that it processed."""
    opened, sizes = threading.Event(), []

    def process(items):
        opened.wait(30)
        sizes.append(len(items))
        if "bad" in items:
            raise ValueError("bad")
        return [item * 2 for item in items]

    batcher = Batcher(process, batch_size=4, max_wait=0, max_waiting=9)
    yield batcher, opened, sizes
    opened.set()
    if batcher.is_alive:
        batcher.close()


def test_what_waits_is_processed_together_and_in_order(gate):
    batcher, opened, sizes = gate
    first = batcher.submit("a")
    while batcher.waiting:
        pass
    futures = [batcher.submit(str(index)) for index in range(9)]
    with pytest.raises(OverloadedError, match="too many posts are waiting"):
        batcher.submit("b")
    opened.set()
    assert first.result(30) == "aa"
    assert [future.result(30) for future in futures] == [str(index) * 2 for index in range(9)]
    assert sizes == [1, 4, 4, 1]


def test_a_bad_item_fails_alone(gate):
    batcher, opened, _ = gate
    futures = [batcher.submit(item) for item in ("a", "b", "bad", "c")]
    opened.set()
    assert [future.result(30) for future in (futures[0], futures[1], futures[3])] == ["aa", "bb", "cc"]
    with pytest.raises(ValueError, match="bad"):
        futures[2].result(30)


def test_cancelled_items_cost_nothing_and_closing_answers_the_rest(gate):
    batcher, opened, sizes = gate
    batcher.submit("a")
    while batcher.waiting:
        pass
    futures = [batcher.submit(item) for item in ("b", "c", "d")]
    assert futures[1].cancel()
    opened.set()
    batcher.close()
    assert [futures[0].result(0), futures[2].result(0)] == ["bb", "dd"]
    assert sizes == [1, 2]
    assert not batcher.is_alive

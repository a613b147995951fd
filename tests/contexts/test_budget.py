import threading
import time

import pytest

from mner.contexts import Budget
from mner.errors import ConfigurationError


def test_requests_are_exact():
    budget = Budget(max_requests=5)
    assert [budget.start(2), budget.start(2), budget.start(2), budget.start(2)] == [2, 2, 1, 0]
    assert not budget.repeat()
    budget.cancel(2)
    assert (budget.requests, budget.repeat(), budget.start(9)) == (3, True, 1)


def test_tokens_end_the_questions():
    budget = Budget(max_tokens=100)
    assert budget.start(8) == 1  # nothing is known of the cost yet
    budget.finish(30)
    assert budget.start(8) == 3  # 30 + 3 * 30 is the first total that is not below 100
    for _ in range(3):
        budget.finish(30)
    assert (budget.start(1), budget.tokens) == (0, 120)


def test_a_thread_waits_for_the_cost_of_the_first_reply():
    budget = Budget(max_tokens=100)
    assert budget.start(1) == 1
    started = []
    thread = threading.Thread(target=lambda: started.append(budget.start(1)))
    thread.start()
    time.sleep(0.05)
    assert started == []
    budget.finish(10)
    thread.join(5)
    assert started == [1]


def test_stopping_wakes_everybody():
    budget = Budget(max_tokens=100)
    budget.start(1)
    began = time.monotonic()
    threads = [threading.Thread(target=budget.start, args=[1]), threading.Thread(target=budget.sleep, args=[60])]
    for thread in threads:
        thread.start()
    budget.stop()
    for thread in threads:
        thread.join(5)
    assert time.monotonic() - began < 5
    assert (budget.start(1), budget.repeat()) == (0, False)


def test_no_limit():
    budget = Budget()
    assert (budget.start(1000), budget.repeat()) == (1000, True)


@pytest.mark.parametrize("limits", [{"max_requests": 0}, {"max_tokens": -1}])
def test_limits_out_of_range(limits):
    with pytest.raises(ConfigurationError, match="at least 1"):
        Budget(**limits)

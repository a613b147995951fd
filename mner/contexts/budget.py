"""A budget in requests and tokens that several threads share."""

from __future__ import annotations

import sys
import threading

from mner.errors import ConfigurationError


class Budget:
    """Counts requests and tokens, and refuses requests beyond a limit.

    The limit of requests is exact. The tokens of a request are only known from its reply, so a request is allowed while
    the limit would hold if every reply under way took as many tokens as the largest so far: the total exceeds the limit
    by less than one reply, unless replies grow. Until the first reply, one request at a time is allowed.

    Args:
        max_requests: Maximum number of requests, repeated ones included; ``None`` for no limit.
        max_tokens: Maximum number of tokens of prompts and answers; ``None`` for no limit.

    Raises:
        ConfigurationError: If a limit is below 1.
    """

    def __init__(self, max_requests: int | None = None, max_tokens: int | None = None) -> None:
        for name, limit in (("max_requests", max_requests), ("max_tokens", max_tokens)):
            if limit is not None and limit < 1:
                raise ConfigurationError(f"expected {name} of at least 1, got {limit}; leave it out for no limit")
        self.max_requests = max_requests
        self.max_tokens = max_tokens
        self.requests = 0
        self.tokens = 0
        self._largest = 0
        self._under_way = 0
        self._changed = threading.Condition()
        self._stopped = threading.Event()

    def start(self, count: int) -> int:
        """Count the first requests of questions that are to be asked now.

        Waits for the replies under way if these decide whether another request is allowed.

        Args:
            count: Maximum number of questions.

        Returns:
            How many of them may be asked; 0 if the budget is used up.
        """
        with self._changed:
            while True:
                allowed = min(count, self._requests_left(), self._questions_left())
                if allowed or not self._under_way or not self._requests_left():
                    break
                self._changed.wait()
            self.requests += allowed
            self._under_way += allowed
            return allowed

    def cancel(self, count: int) -> None:
        """Take back questions that were started and are not asked."""
        with self._changed:
            self.requests -= count
            self._under_way -= count
            self._changed.notify_all()

    def repeat(self) -> bool:
        """Count a further request for a question that was started, if the limit allows it."""
        with self._changed:
            allowed = self._requests_left() > 0
            self.requests += allowed
            return allowed

    def stop(self) -> None:
        """Allow no further request, and end every :meth:`sleep`."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def sleep(self, seconds: float) -> None:
        """Wait, in the thread of a question, until the time is over or nothing more is to be asked."""
        self._stopped.wait(seconds)

    def finish(self, tokens: int) -> None:
        """Count the tokens of a question that was started."""
        with self._changed:
            self._under_way -= 1
            self.tokens += tokens
            self._largest = max(self._largest, tokens)
            self._changed.notify_all()

    def _requests_left(self) -> int:
        if self._stopped.is_set():
            return 0
        return sys.maxsize if self.max_requests is None else self.max_requests - self.requests

    def _questions_left(self) -> int:
        """How many questions the tokens allow in addition to those under way."""
        if self.max_tokens is None:
            return sys.maxsize
        left = self.max_tokens - self.tokens
        if left <= 0:
            return 0
        if not self._largest:
            return 0 if self._under_way else 1
        return max(0, -(-left // self._largest) - self._under_way)

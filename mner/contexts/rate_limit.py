"""A rate limit that several threads share, and that a server can extend."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mner.errors import ConfigurationError


class RateLimit:
    """Spaces requests evenly.

    Args:
        per_minute: Maximum number of requests per minute; ``None`` for no limit.

    Raises:
        ConfigurationError: If the limit is not above 0.
    """

    def __init__(self, per_minute: float | None = None) -> None:
        if per_minute is not None and per_minute <= 0:
            raise ConfigurationError(f"expected requests_per_minute above 0, got {per_minute}; leave it out for none")
        self._interval = 0.0 if per_minute is None else 60 / per_minute
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, sleep: Callable[[float], object] = time.sleep) -> None:
        """Return when the next request may be sent.

        Args:
            sleep: Waits for a number of seconds.
        """
        with self._lock:
            begin = max(time.monotonic(), self._next)
            self._next = begin + self._interval
        sleep(max(0.0, begin - time.monotonic()))

    def pause(self, seconds: float) -> None:
        """Send no request for a time, because the server asked for it."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

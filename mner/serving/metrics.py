"""Counters of the service in the text format of Prometheus."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram of seconds."""


class Metrics:
    """Requests by status, their duration, and posts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[int] = Counter()
        self._seconds = 0.0
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._posts = 0
        self._open = 0

    @property
    def open_requests(self) -> int:
        """Number of requests that have arrived and are not answered."""
        return self._open

    def open(self) -> float:
        """Count a request that has arrived; return the time, for :meth:`close`."""
        with self._lock:
            self._open += 1
        return time.monotonic()

    def close(self, start: float, status: int, posts: int) -> None:
        """Count an answered request.

        Args:
            start: What :meth:`open` returned.
            status: Its status.
            posts: Posts that were tagged for it.
        """
        seconds = time.monotonic() - start
        with self._lock:
            self._open -= 1
            self._requests[status] += 1
            self._seconds += seconds
            self._buckets[bisect_left(BUCKETS, seconds)] += 1
            self._posts += posts

    def text(self, values: dict[str, int]) -> str:
        """Render all counters.

        Args:
            values: Further values by name: counters if it ends with ``_total``, otherwise gauges.
        """
        with self._lock:
            lines = ["# TYPE mner_requests_total counter"]
            lines += [f'mner_requests_total{{status="{code}"}} {n}' for code, n in sorted(self._requests.items())]
            lines.append("# TYPE mner_request_seconds histogram")
            total = 0
            for bound, number in zip((*BUCKETS, "+Inf"), self._buckets, strict=True):
                total += number
                lines.append(f'mner_request_seconds_bucket{{le="{bound}"}} {total}')
            lines += [f"mner_request_seconds_sum {self._seconds:.6f}", f"mner_request_seconds_count {total}"]
            lines += ["# TYPE mner_posts_total counter", f"mner_posts_total {self._posts}"]
            values = {"open_requests": self._open, **values}
        for name, value in values.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# TYPE mner_{name} {kind}", f"mner_{name} {value}"]
        return "\n".join(lines) + "\n"

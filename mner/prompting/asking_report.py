"""The outcome of asking a writer about many posts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mner.contexts import Reply


@dataclass(frozen=True)
class AskingReport:
    """The outcome of a run.

    Args:
        replies: The reply to each query that has one, by its place; one with an ``error`` is a refusal.
        kept: Number of queries that an earlier run had asked.
        bad_images: Why the image of a query cannot be used, by its place.
        failed: Why a query has no reply, by its place; the next run asks it again.
        not_asked: Number of queries for which the budget was too small.
        requests: Requests of this run, repeated ones included.
        tokens: Tokens of this run.
        seconds: Duration of this run.
    """

    replies: Mapping[int, Reply]
    kept: int
    bad_images: Mapping[int, str]
    failed: Mapping[int, str]
    not_asked: int
    requests: int
    tokens: int
    seconds: float

    @property
    def is_complete(self) -> bool:
        """Whether every query has a reply, or an image that cannot be used."""
        return not self.failed and not self.not_asked

"""Checks of the annotation of batches: training needs tags, and a test is of posts that all have tags, or none."""

from __future__ import annotations

from torch import Tensor

from mner.batch import Batch
from mner.errors import DataError


class TestAnnotation:
    """Records whether the posts of a test have tags: a score over some would be mistaken for one over all."""

    __test__ = False  # no test, for pytest

    def __init__(self) -> None:
        self._tagged: str | None = None
        self._untagged: str | None = None

    def check(self, batch: Batch) -> None:
        """Reject a test set with some untagged posts.

        Raises:
            DataError: If posts of this or earlier batches are annotated and others are not.
        """
        for post in batch.posts:
            if post.tags is None:
                self._untagged = self._untagged or post.id
            else:
                self._tagged = self._tagged or post.id
        if self._tagged is not None and self._untagged is not None:
            raise DataError(
                f"post {self._untagged!r} has no tags but post {self._tagged!r} has, so there is no score over all "
                "test posts; annotate all of them, remove the untagged ones, or use predict"
            )


def annotated_tags(batch: Batch) -> Tensor:
    """Return the tags of a batch, shape ``(B, W)``.

    Raises:
        DataError: If a post has no tags.
    """
    if batch.tags is None:
        unannotated = next(post.id for post in batch.posts if post.tags is None)
        raise DataError(
            f"post {unannotated!r} has no tags, but training and validation need them; "
            "annotate it, or give its file to mner predict or mner tag"
        )
    return batch.tags

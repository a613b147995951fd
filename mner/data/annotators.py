"""Decisions about the tasks of a Label Studio export that need the whole file.

JSON-MIN repeats a task per annotator. And a task with choices only has no entities where other tasks have labels; where
none has, the project does not annotate entities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_warn

from mner.errors import FormatError
from mner.posts import Post
from mner.terminal import printable


def choose_annotations(posts: Iterable[Post], annotator: str | None, path: Path) -> list[Post]:
    """Keep one of the posts of the same task; all other posts are unchanged.

    Args:
        posts: Posts in the order of the file.
        annotator: An annotator's id or e-mail address, ``first``, ``last``, or ``None``.
        path: The file, for the message.

    Returns:
        The posts; a task that ``annotator`` has not annotated is a post without annotation.

    Raises:
        FormatError: If ``annotator`` is ``None`` and annotations of a task differ; names the task and the annotators.
    """
    tasks: dict[object, list[Post]] = defaultdict(list)
    for place, post in enumerate(posts):
        tasks[post.id if _annotator(post) is not None else place].append(post)
    return [_choice(group, annotator, path) for group in tasks.values()]


def without_labels(posts: list[Post], path: Path) -> list[Post]:
    """Read tasks that have other annotations only, such as choices, as not annotated if no task of the file has labels.

    Args:
        posts: The posts of a file.
        path: The file, for the message.

    Returns:
        The posts; what was decided is reported.
    """
    places = {place for place, post in enumerate(posts) if _has_only_others(post)}
    if not places:
        return posts
    count = f"{printable(path)}: {len(places)} of {len(posts)} tasks have no labels, at most other annotations"
    if any(post.spans for post in posts):
        rank_zero_warn(f"{count}: they are read as having no entities, since other tasks have labels")
        return posts
    rank_zero_warn(f"{count}, and no other task has: they are read as not annotated")
    return [_unannotated(post) if place in places else post for place, post in enumerate(posts)]


def _unannotated(post: Post) -> Post:
    return replace(post, tags=None, spans=None, boxes=None)


def _has_only_others(post: Post) -> bool:
    # In JSON-MIN, choices may look like any data of the task.
    return post.spans == () and ("other_annotations" in post.metadata or _annotator(post) is not None)


def _choice(group: list[Post], annotator: str | None, path: Path) -> Post:
    first = group[0]
    if _annotator(first) is None or annotator == "first":
        return first
    if annotator == "last":
        return group[-1]
    if annotator is not None:
        return next((post for post in group if _annotator(post) == annotator), _unannotated(first))
    if any((post.tags, post.spans) != (first.tags, first.spans) for post in group):
        people = ", ".join(str(_annotator(post)) for post in group)
        raise FormatError(
            path,
            None,
            f"the task {first.id} has {len(group)} annotations that differ (annotators: {people})",
            "Choose with annotator=... (--data.init_args.annotator): an annotator's id or e-mail address, 'first' or "
            "'last'",
        )
    return first


def _annotator(post: Post) -> str | None:
    """Return the annotator of a post of JSON-MIN, or ``None`` for any other post."""
    task = post.metadata.get("task")
    if not isinstance(task, dict) or "annotation_id" not in task:
        return None
    person = task.get("annotator")
    return str(person.get("email", person.get("id")) if isinstance(person, dict) else person)

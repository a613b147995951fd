"""Decisions about the tasks of an export of Label Studio or Prodigy that need the whole file.

JSON-MIN and Prodigy repeat a task per annotator. And a task of Label Studio with choices only has no entities where
other tasks have labels; where none has, the project does not annotate entities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from mner.errors import FormatError
from mner.posts import Post
from mner.terminal import printable

_PRODIGY = "_task_hash"


def choose_annotations(posts: Iterable[Post], annotator: str | None, path: Path) -> Iterator[Post]:
    """Keep one of the posts of the same task; all other posts are unchanged.

    Args:
        posts: Posts in the order of the file; they are kept in memory from the first one that has an annotator.
        annotator: An annotator's id or e-mail address, ``first``, ``last``, or ``None``.
        path: The file, for the message.

    Yields:
        The posts; a task that ``annotator`` has not annotated is a post without annotation.

    Raises:
        FormatError: If ``annotator`` is ``None`` and annotations of a task differ; names the task and the annotators.
    """
    tasks: dict[object, list[Post]] = defaultdict(list)
    for place, post in enumerate(posts):
        annotated = _annotator(post) is not None
        if annotated or tasks:
            tasks[_task(post) if annotated else place].append(post)
        else:
            yield post
    for group in tasks.values():
        yield _choice(group, annotator, path)


def without_labels(posts: Iterable[Post], path: Path) -> Iterator[Post]:
    """Read tasks that have other annotations only, such as choices, as not annotated if no task of the file has labels.

    Args:
        posts: The posts of a file; they are kept in memory from the first one in question.
        path: The file, for the message.

    Yields:
        The posts; what was decided is reported.
    """
    held: list[Post] = []
    total, labelled = 0, False
    for post in posts:
        total += 1
        labelled = labelled or bool(post.spans)
        if held or _has_only_others(post):
            held.append(post)
        else:
            yield post
    if not held:
        return
    from pytorch_lightning.utilities import rank_zero_warn  # which imports PyTorch

    count = f"{printable(path)}: {sum(map(_has_only_others, held))} of {total} tasks have no labels, at most other"
    if labelled:
        rank_zero_warn(f"{count} annotations: they are read as having no entities, since other tasks have labels")
        yield from held
        return
    rank_zero_warn(f"{count} annotations, and no other task has: they are read as not annotated")
    for post in held:
        yield _unannotated(post) if _has_only_others(post) else post


def _unannotated(post: Post) -> Post:
    return replace(post, tags=None, spans=None, boxes=None)


def _has_only_others(post: Post) -> bool:
    # In JSON-MIN, choices may look like any data of the task.
    has_annotator = _annotator(post) is not None and not _is_prodigy(post)
    return post.spans == () and ("other_annotations" in post.metadata or has_annotator)


def _choice(group: list[Post], annotator: str | None, path: Path) -> Post:
    group = [post for post in group if post.tags is not None or post.spans is not None] or group
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


def _task(post: Post) -> object:
    """Identify the task of a post that has an annotator."""
    return (post.metadata[_PRODIGY],) if _is_prodigy(post) else post.id


def _is_prodigy(post: Post) -> bool:
    return _PRODIGY in post.metadata


def _annotator(post: Post) -> str | None:
    """Return the annotator of a post of JSON-MIN or Prodigy, or ``None`` for any other post."""
    if _is_prodigy(post):
        person = post.metadata.get("_annotator_id", post.metadata.get("_session_id"))
        return None if person is None else str(person)
    task = post.metadata.get("task")
    if not isinstance(task, dict) or "annotation_id" not in task:
        return None
    person = task.get("annotator")
    return str(person.get("email", person.get("id")) if isinstance(person, dict) else person)

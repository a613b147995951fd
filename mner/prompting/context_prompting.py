"""Writing contexts by prompting: questions about posts, and lines of a context file from the replies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mner.contexts import Reply
from mner.data.image_names import relative_name
from mner.posts import Post
from mner.prompting.json_answer import answer_text
from mner.remote_images import address_of


def context_lines(
    posts: Sequence[Post], replies: Sequence[Reply | None], kind: str, images: Path | None
) -> tuple[list[dict[str, Any]], int]:
    """Make the lines of a context file.

    A line names the post and, unless another post has the same image, its image, by which data modules match it.

    Args:
        posts: The posts.
        replies: The reply about each post, or ``None``.
        kind: Kind of the contexts.
        images: The image folder, to which names of images are relative.

    Returns:
        A line for each post with a usable answer, and the number of unusable ones.
    """
    shared = Counter(image for post in posts for image in post.images)
    lines = []
    unusable = 0
    for post, reply in zip(posts, replies, strict=True):
        if reply is None:
            continue
        text = " ".join(answer_text(reply.text).split())
        if reply.error is not None or not text:
            unusable += 1
            continue
        line = {"id": post.id}
        if post.image is not None and shared[post.image] == 1:
            line["image_id"] = address_of(post.image) or relative_name(post.image, images)
        lines.append({**line, kind: text})
    return lines, unusable

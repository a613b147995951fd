"""Posts as they are displayed: a page of HTML, a fragment in a notebook, text in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from mner.display.html import to_html
from mner.display.marked_post import MarkedPost
from mner.display.plain import to_text
from mner.files import atomic_write

MAX_IN_NOTEBOOK = 100
"""Posts that a notebook shows; a page contains all."""


class Rendering:
    """Posts with marked entities, made by :func:`mner.display.render`.

    Args:
        posts: The posts.
        title: Heading of the page.
        images: Whether images are embedded in HTML, or the folder that they are in.
    """

    def __init__(self, posts: Sequence[MarkedPost], title: str, images: bool | str | Path) -> None:
        self.posts = list(posts)
        self.title = title
        self.images = images

    @property
    def html(self) -> str:
        """A self-contained page: without scripts, and without anything that is loaded from elsewhere."""
        return to_html(self.posts, self.title, self.images)

    def save(self, path: str | Path) -> None:
        """Write the page to a file.

        Raises:
            OutputError: If the file cannot be written; an existing file is then unchanged.
        """
        with atomic_write(path) as file:
            file.write(self.html)

    def __rich__(self) -> Text:
        """The posts in colour, for ``rich.print``."""
        return to_text(self.posts)

    def __str__(self) -> str:
        """The posts as text, with control characters escaped."""
        return to_text(self.posts).plain

    @property
    def fragment(self) -> str:
        """The first posts as HTML to put into a page, as a notebook shows them."""
        left_out = max(len(self.posts) - MAX_IN_NOTEBOOK, 0)
        return to_html(self.posts[:MAX_IN_NOTEBOOK], self.title, self.images, is_page=False, left_out=left_out)

    def _repr_html_(self) -> str:
        return self.fragment

    def __repr__(self) -> str:
        return f"<Rendering of {len(self.posts)} posts>"

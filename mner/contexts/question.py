"""What a language model is asked: instructions, a text about a post, its image, and the form of the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class ShownExample:
    """A solved example that is shown with its image.

    Args:
        text: The post with its solution.
        image: The image in RGB, or ``None``.
    """

    text: str
    image: Image.Image | None = None


@dataclass(frozen=True)
class Question:
    """A question about one post.

    Args:
        instructions: What is to be done, the same for every post: the system message.
        text: The post, with everything else that is said about it: the user's message.
        image: The post's image in RGB, or ``None``.
        schema: JSON schema of the answer, or ``None`` for free text.
        examples: Solved examples, which come before the post and its image.
    """

    instructions: str
    text: str
    image: Image.Image | None = None
    schema: Mapping[str, Any] | None = None
    examples: Sequence[ShownExample] = ()

    @property
    def parts(self) -> list[tuple[Image.Image | None, str]]:
        """The images and texts of the user's message, in order."""
        return [*((each.image, each.text) for each in self.examples), (self.image, self.text)]

"""What a language model is asked: instructions, a text about a post, its images, and the form of the answer."""

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
        images: The post's images in RGB, none or several.
        schema: JSON schema of the answer, or ``None`` for free text.
        examples: Solved examples, which come before the post and its images.
    """

    instructions: str
    text: str
    images: Sequence[Image.Image] = ()
    schema: Mapping[str, Any] | None = None
    examples: Sequence[ShownExample] = ()

    @property
    def parts(self) -> list[tuple[Sequence[Image.Image], str]]:
        """The texts of the user's message, in order, each with the images before it."""
        examples = (([] if each.image is None else [each.image], each.text) for each in self.examples)
        return [*examples, (self.images, self.text)]

"""A question about a post before its image is decoded, and what identifies its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from PIL import Image

from mner.contexts import ContextWriter, Question, ShownExample
from mner.errors import ImageError
from mner.images import ImageLoader
from mner.posts import Post
from mner.vision.fingerprint import content_hash


@dataclass(frozen=True)
class SolvedExample:
    """A training post with its solution, as a prompt shows it.

    Args:
        text: The post with its solution.
        image: Its image, if that is shown too.
        image_hash: Hash of the content of the image; empty without one.
    """

    text: str
    image: Path | None = None
    image_hash: str = ""


@dataclass(frozen=True)
class Query:
    """A question about a post.

    Args:
        id: The post.
        instructions: The system message.
        text: The user's message.
        schema: JSON schema of the answer, or ``None``.
        images: The post's images that can be opened.
        image_hash: Hash of their content; empty without any.
        image_error: Why one of the images cannot be opened, or ``None``.
        examples: Solved examples that are shown with their images; others are part of the text.
    """

    id: str
    instructions: str
    text: str
    schema: Mapping[str, Any] | None = None
    images: Sequence[Path] = ()
    image_hash: str = ""
    image_error: str | None = None
    examples: Sequence[SolvedExample] = ()

    @classmethod
    def about(
        cls,
        post: Post,
        instructions: str,
        text: str,
        load: ImageLoader,
        schema: Mapping[str, Any] | None = None,
        examples: Sequence[SolvedExample] = (),
    ) -> Query:
        """Make a query about a post, and hash its images.

        Args:
            post: The post.
            instructions: The system message.
            text: The user's message.
            load: Opens the images.
            schema: JSON schema of the answer.
            examples: Solved examples that are shown with their images.
        """
        hashes: dict[Path, str] = {}
        errors: list[str] = []
        for image in post.images:
            try:
                hashes[image] = hash_image(image, load)
            except ImageError as error:  # noqa: PERF203 - the others are still shown
                errors.append(str(error))
        first_error = errors[0] if errors else None
        return cls(
            post.id, instructions, text, schema, tuple(hashes), ",".join(hashes.values()), first_error, tuple(examples)
        )

    def key(self, writer: ContextWriter) -> str:
        """Identify the answer by the writer, the messages with the post in them, and the content of the images."""
        parts: list[Any] = [writer.identity, self.instructions, self.text, self.schema, self.image_hash]
        parts += [[each.text, each.image_hash] for each in self.examples]
        return blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()

    def question(self, load: ImageLoader, has_image: bool = True) -> Question:
        """Decode the images; an example whose image cannot be used is shown without it.

        Args:
            load: Opens the images.
            has_image: Whether the images of the post are shown.

        Raises:
            ImageError: If one of them cannot be used.
        """
        images = [load(image) for image in self.images] if has_image else []
        examples = [ShownExample(each.text, _decoded(each.image, load)) for each in self.examples]
        return Question(self.instructions, self.text, images, self.schema, examples)


def hash_image(path: Path, load: ImageLoader) -> str:
    """Hash the content of an image file.

    Raises:
        ImageError: If it cannot be opened.
    """
    with load.open(path) as file:
        return content_hash(file.read()).hex()


def _decoded(path: Path | None, load: ImageLoader) -> Image.Image | None:
    try:
        return None if path is None else load(path)
    except ImageError:
        return None

"""A question about a post before its image is decoded, and what identifies its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mner.contexts import ContextWriter, Question
from mner.errors import ImageError
from mner.images import ImageLoader
from mner.posts import Post
from mner.vision.fingerprint import content_hash


@dataclass(frozen=True)
class Query:
    """A question about a post.

    Args:
        id: The post.
        instructions: The system message.
        text: The user's message.
        schema: JSON schema of the answer, or ``None``.
        image: The post's image, or ``None``.
        image_hash: Hash of the content of the image; empty without one.
        image_error: Why the image cannot be opened, or ``None``.
    """

    id: str
    instructions: str
    text: str
    schema: Mapping[str, Any] | None = None
    image: Path | None = None
    image_hash: str = ""
    image_error: str | None = None

    @classmethod
    def about(
        cls, post: Post, instructions: str, text: str, load: ImageLoader, schema: Mapping[str, Any] | None = None
    ) -> Query:
        """Make a query about a post, and hash its image.

        Args:
            post: The post.
            instructions: The system message.
            text: The user's message.
            load: Opens the image.
            schema: JSON schema of the answer.
        """
        image_hash, error = "", None
        if post.image is not None:
            try:
                with load.open(post.image) as file:
                    image_hash = content_hash(file.read()).hex()
            except ImageError as problem:
                error = str(problem)
        image = post.image if image_hash else None
        return cls(post.id, instructions, text, schema, image, image_hash, error)

    def key(self, writer: ContextWriter) -> str:
        """Identify the answer by the writer, the messages with the post in them, and the content of the image."""
        parts = [writer.identity, self.instructions, self.text, self.schema, self.image_hash]
        return blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()

    def question(self, load: ImageLoader, has_image: bool = True) -> Question:
        """Decode the image.

        Args:
            load: Opens the image.
            has_image: Whether the image is shown.

        Raises:
            ImageError: If it cannot be used.
        """
        image = load(self.image) if has_image and self.image is not None else None
        return Question(self.instructions, self.text, image, self.schema)

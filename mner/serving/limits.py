"""The limits of the service on what a client may send."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mner.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum sizes and times; what exceeds one is refused with a status that names it.

    Args:
        max_body_bytes: Bytes of a request.
        max_posts: Posts per request.
        max_images: Images per post.
        max_characters: Characters of a post, and of all its contexts.
        max_pixels: Width times height of an image.
        max_seconds: Seconds from the headers of a request to its answer.
        max_waiting: Posts that wait for the model, and open requests; further ones are refused with status 503.

    Raises:
        ConfigurationError: If one is not greater than zero.
    """

    max_body_bytes: int = 20_000_000
    max_posts: int = 64
    max_images: int = 16
    max_characters: int = 10_000
    max_pixels: int = 32_000_000
    max_seconds: float = 30.0
    max_waiting: int = 1024

    def __post_init__(self) -> None:
        """Check the values."""
        for each in fields(self):
            if not getattr(self, each.name) > 0:
                raise ConfigurationError(
                    f"expected {each.name} greater than 0, got {getattr(self, each.name)}; leave it out for the default"
                )

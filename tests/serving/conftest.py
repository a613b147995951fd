"""A tagger to serve, and a client of a server for it."""

import pytest

import mner


@pytest.fixture(scope="session")
def served_tagger(trained_run):
    """The tagger of a small training."""
    return mner.load(trained_run / "best.ckpt")


@pytest.fixture(scope="module")
def client(served_tagger):
    """A client of a server with small limits."""
    from serving_client import running

    small = {"max_body_bytes": 200_000, "max_posts": 3, "max_characters": 100, "max_pixels": 10_000}
    with running(served_tagger, limits=small) as client:
        yield client

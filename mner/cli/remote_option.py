"""The option of commands that fetch images at an address."""

from __future__ import annotations

from jsonargparse import Namespace

from mner.cli.parsing import OptionParser
from mner.remote_images import RemoteImages


def add_remote_images(options: OptionParser) -> None:
    """Declare ``--remote_images``."""
    options.add_argument(
        "--remote_images",
        type=RemoteImages | None,
        default=None,
        help="What images at an address may be fetched into --images, such as --remote_images.protocols [https].",
    )


def remote_images(options: Namespace) -> RemoteImages | None:
    """Return what a user allows."""
    return RemoteImages(**options.remote_images) if options.remote_images else None

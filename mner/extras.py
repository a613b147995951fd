"""Packages of the optional extras: which extra installs one that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mner.errors import ConfigurationError


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Name what to install if an import within the block fails.

    Args:
        name: An extra of mner, for ``pip install "mner[NAME]"``.
        purpose: What needs the package.

    Raises:
        ConfigurationError: If the package is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(f'{purpose} needs {error.name}: pip install "mner[{name}]"') from error

"""Packages of the optional extras: which extra installs one that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mner.errors import ConfigurationError


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Name what to install if an import within the block fails, or what is wrong with what is installed.

    Args:
        name: An extra of mner, for ``pip install "mner[NAME]"``.
        purpose: What needs the package.

    Raises:
        ConfigurationError: If the package is not installed or cannot be imported.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(f'{purpose} needs {error.name}: pip install "mner[{name}]"') from error
    except ImportError as error:  # a version that lacks something, or a library of the system
        raise ConfigurationError(f'{purpose}: {error}; try pip install --upgrade "mner[{name}]"') from error

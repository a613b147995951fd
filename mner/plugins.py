"""Plugins: every entry point of the group ``mner.plugins`` is imported once."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

from mner.terminal import printable

GROUP = "mner.plugins"


@cache
def load_plugins() -> Mapping[str, str]:
    """Import what installed packages declare under ``mner.plugins``, so that their parts register themselves.

    A package that fails to import is reported in a warning and does not keep the others from loading.

    Returns:
        The plugins that failed, each with its error.
    """
    failures: dict[str, str] = {}
    for plugin in _installed():
        try:
            plugin.load()
        except Exception as error:  # noqa: PERF203  another package's import may fail in any way
            failures[plugin.name] = printable(f"{type(error).__name__}: {error}")
            warnings.warn(
                f"the mner plugin {plugin.name!r} ({plugin.value}) cannot be loaded: {failures[plugin.name]}; "
                "update or uninstall its package",
                stacklevel=2,
            )
    return failures


def _installed() -> list[EntryPoint]:
    """Find the plugins of installed packages; package metadata in the working directory does not count."""
    folders = [folder for folder in sys.path if folder and Path(folder).resolve() != Path.cwd()]
    declared = (each for package in distributions(path=folders) for each in package.entry_points)
    return list(dict.fromkeys(each for each in declared if each.group == GROUP))

"""Configs that ship with mner, found by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from mner.errors import ConfigurationError
from mner.paths import is_folder, is_there

FOLDER = Path(__file__).parent / "configs"


def shipped_configs() -> dict[str, Path]:
    """Map the name of each config that ships with mner to its file, folder by folder."""
    paths = sorted(FOLDER.rglob("*.yaml"), key=lambda path: (path.parent, path.name))
    return {path.stem: path for path in paths}


def shipped_config(name: str) -> Path:
    """Return the file of a shipped config.

    Raises:
        ConfigurationError: If there is none of that name; suggests similar ones.
    """
    shipped = shipped_configs()
    if name in shipped:
        return shipped[name]
    close = difflib.get_close_matches(name.removesuffix(".yaml").rpartition("/")[2], shipped)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    raise ConfigurationError(
        f"no config {name!r}: no such file, and none of that name ships with mner; {meant}mner configs lists them"
    )


def find_config(given: str) -> Path:
    """Return the file of a config that a user gave by path or by name.

    Args:
        given: Path of a file, which takes precedence, or the name of a shipped config.

    Raises:
        ConfigurationError: If there is neither; suggests similar names.
    """
    path = Path(given)
    return path if is_there(path) and not is_folder(path) else shipped_config(given)

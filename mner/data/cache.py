"""The cache folder, of what can be computed again: where it is, and writing to it in one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from mner.errors import OutputError
from mner.output_paths import output_errors


def cache_folder() -> Path:
    """Return ``$MNER_CACHE``, or ``mner`` in the user's cache folder."""
    given = os.environ.get("MNER_CACHE")
    return Path(given or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "mner").expanduser()


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Make a folder of the cache if needed, and keep other processes from writing to it.

    Raises:
        OutputError: If the system refuses to write, here or in the block; names the variable of the folder.
    """
    try:
        with output_errors(folder, always=True):
            folder.mkdir(parents=True, exist_ok=True)
            held = FileLock(folder / ".lock").acquire()
        with held:
            yield
    except OutputError as error:
        advice = f"Large files of posts are stored in {cache_folder()}; MNER_CACHE names another folder"
        raise OutputError(f"{error}. {advice}") from error

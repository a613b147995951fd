"""Git LFS pointers: short texts that stand in a clone for large files that were not fetched."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

BEGINNING = b"version https://git-lfs.github.com/spec/"
REASON = "a Git LFS pointer, not the file itself; fetch it with git lfs pull"


def is_pointer(path: Path) -> bool:
    """Whether a file is a pointer; false for one that cannot be read."""
    with suppress(OSError, ValueError), path.open("rb") as file:
        return file.read(len(BEGINNING)) == BEGINNING
    return False

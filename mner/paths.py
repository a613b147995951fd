"""Whether files and folders exist, and why not: a name that is too long or has a NUL in it is that of no file.

``pathlib`` raises an ``OSError`` or a ``ValueError`` for such names, which data files and options contain all the same.
"""

from __future__ import annotations

import os
import re
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """A path with the user's home in place of ``~``, which no shell expands in a config; ``~unknown`` stays."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  pathlib raises an error for an unknown user


def is_file(path: str | Path) -> bool:
    """Whether a path is a file, or a link to one."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | Path) -> bool:
    """Whether a path is a folder, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112


def is_there(path: str | Path) -> bool:
    """Whether a path is anything at all; a link to nothing is not."""
    return os.path.exists(path)  # noqa: PTH110


def is_address(path: str | Path) -> bool:
    """Whether a path is an address, such as ``s3://bucket/posts``, which pathlib shortens to ``s3:/bucket/posts``.

    ``C:/posts`` is a path, and so is whatever exists.
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)) is not None and not is_there(path)


def not_there(path: str | Path) -> str:
    """A message about a file that does not exist."""
    if is_address(path):
        return (
            f"{path} is an address, and a path is expected: copy it here, or mount its storage; mner tag --engine ray "
            "reads and writes addresses"
        )
    return f"there is no file {path}; check the path, relative to {Path.cwd()}"


def reason(error: BaseException) -> str:
    """Why the system refused a path, for a message that names the path itself."""
    return getattr(error, "strerror", None) or str(error)

"""Where output may be written: a path is refused before the work if it cannot be, and never replaces what is read."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from mner.errors import MNERError, OutputError
from mner.paths import is_address, reason

_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}
"""Errors that only writing can raise, wherever they occur."""
_SPECIAL = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_protected: Counter[tuple[int, int]] = Counter()
"""Device and inode of the files that the running command reads."""


@contextmanager
def protected(paths: Iterable[str | Path]) -> Iterator[None]:
    """Keep files from being replaced or appended to by anything in :mod:`mner.files`, under whatever name.

    Args:
        paths: Files, and folders that are replaced as a whole, such as models; those that do not exist are ignored.
    """
    identities = Counter(identity for path in paths if (identity := _identity(path)) is not None)
    _protected.update(identities)
    try:
        yield
    finally:
        _protected.subtract(identities)


def refuse_protected(path: str | Path) -> None:
    """Reject a path that :func:`protected` keeps from being written.

    Raises:
        OutputError: If it is one.
    """
    if _protected[_identity(path) or (0, 0)] > 0:
        raise OutputError(f"cannot write {path}: this command reads it; give another path")


def _identity(path: str | Path) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) else None


def check_target(path: str | Path) -> None:
    """Check, before hours of work, that :func:`atomic_write` could write a path.

    Raises:
        OutputError: If it is a folder, a symbolic link, a pipe or a device, or it or its folder is write-protected.
    """
    path = Path(path)
    with output_errors(path, always=True):
        refuse_special(path)  # first: /dev/null is a device, also for a user who may not write into /dev
    check_folder(path.parent)


def check_folder(path: str | Path) -> None:
    """Check, before hours of work, that files could be written into a folder, which need not exist yet.

    Raises:
        OutputError: If it, or what it would be in, is not a folder or is write-protected; or it is an address.
    """
    path = Path(path)
    _refuse_address(path)
    with output_errors(path, always=True):
        there = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
        if not there.is_dir():
            raise OutputError(f"cannot write into {path}: {there} is not a folder; give another path")
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "the folder is write-protected")
        try:  # in some file systems, such as /proc, nobody can create a file
            TemporaryFile(dir=there).close()
        except OSError as error:
            raise OutputError(
                f"cannot write into {path}: no file can be created in {there} ({reason(error)}); give another path"
            ) from error


def make_folder_of(path: Path) -> None:
    """Make the folder that a file or folder will be in, unless it is there.

    Raises:
        OutputError: If a file is in its place, or it is an address.
    """
    _refuse_address(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        above = next((each for each in path.parents if os.path.lexists(each)), path.parent)
        raise OutputError(f"cannot write {path}: {above} is not a folder; give another path") from None


def _refuse_address(path: Path) -> None:
    """Reject what would otherwise become a folder named ``s3:``."""
    if is_address(path):
        raise OutputError(
            f"cannot write {path}: it is an address; give a path, and copy what is written, or tag with --engine ray"
        )


def refuse_special(path: Path) -> None:
    """Reject a path that is anything but a new name or a file that may be replaced.

    Raises:
        OutputError: If it is a folder, a symbolic link, a pipe, a device or protected.
        OSError: If the system does not let it be written.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if (what := _SPECIAL.get(stat.S_IFMT(mode))) is not None:
        raise OutputError(f"cannot write {path}: expected a file or a new name, got {what}; give another path")
    refuse_protected(path)
    if not os.access(path, os.W_OK):  # renaming does not check this
        raise PermissionError(errno.EACCES, "the file is write-protected")


@contextmanager
def output_errors(path: Path, always: bool = False) -> Iterator[None]:
    """Turn the system's refusal to write into one line about ``path``.

    Args:
        path: The file or folder.
        always: Whether every ``OSError`` in the block is about ``path``, and not only those of a full or failing disk;
            and every ``ValueError``, which Python raises for a NUL in a name.

    Raises:
        OutputError: Instead of the system's error.
    """
    try:
        yield
    except MNERError:
        raise
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:  # serialisers such as torch.save hide it behind their own error
            if isinstance(cause, (OSError, ValueError)) if always else getattr(cause, "errno", None) in _WRITING:
                raise OutputError(
                    f"cannot write {path}: {reason(cause)}; what was there before is unchanged. "
                    "Make room or give another path, then repeat the command"
                ) from error
            cause = cause.__cause__ or cause.__context__
        raise

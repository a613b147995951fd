"""An LMDB file in one process: opened once, never across a fork, growing as it is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

import lmdb

from mner.errors import DataError, OutputError
from mner.output_paths import output_errors
from mner.paths import reason

FIRST_SIZE = 1 << 28
"""Bytes of address space of a new file; doubled whenever it is full."""
MAX_READERS = 2048
"""Maximum number of processes and threads that read at the same time."""
_SLACK = 16
"""Pages at the end of a file that LMDB may have allocated and freed without ever writing them."""

_lock = RLock()
_environments: dict[tuple[int, int], lmdb.Environment] = {}
"""Open files by device and inode: LMDB refuses to open a file twice in a process."""


@contextmanager
def reading(path: Path) -> Iterator[lmdb.Transaction]:
    """Read a consistent state of the file; what is read is valid within the block.

    Raises:
        DataError: If there is no such file, or it is damaged or not an LMDB file.
    """
    with _lock, _begin(path, write=False) as transaction:
        yield transaction


def write(path: Path, items: Iterable[tuple[bytes, bytes]]) -> None:
    """Write keys and values, all of them or none; the file is created and enlarged as needed.

    Raises:
        OutputError: If the file cannot be written; it is left as it was.
    """
    items = list(items)
    with _lock:
        try:
            while not _fits(path, items):
                environment = _environment(path, create=True)
                environment.set_mapsize(2 * environment.info()["map_size"])
        except (lmdb.Error, OSError) as error:
            # LMDB calls a write that a full disk cut short an input/output error.
            needed = sum(len(value) for _, value in items)
            full = path.exists() and shutil.disk_usage(path.parent).free < needed
            cause = "no space left on the disk" if full else error
            raise OutputError(f"cannot write {path}: {cause}; what was stored before is kept") from error


def _fits(path: Path, items: Iterable[tuple[bytes, bytes]]) -> bool:
    """Write in one transaction, unless the file's address space is too small."""
    try:
        with _begin(path, write=True) as transaction:
            for key, value in items:
                transaction.put(key, value)
    except lmdb.MapFullError:
        return False
    return True


def _begin(path: Path, write: bool) -> lmdb.Transaction:
    environment = _environment(path, create=write)
    try:
        return environment.begin(write=write, buffers=True)
    except lmdb.MapResizedError:  # another process has enlarged the file
        environment.set_mapsize(0)
        return environment.begin(write=write, buffers=True)


def _environment(path: Path, create: bool) -> lmdb.Environment:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # a ValueError for a name with a NUL
        if not create:
            raise DataError(
                f"no feature store at {path.absolute()} ({reason(error)}); fill one with mner cache"
            ) from error
        with output_errors(path, always=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            status = path.stat()
    key = (status.st_dev, status.st_ino)
    if key not in _environments:
        for other in [other for other, opened in _environments.items() if opened.path() == str(path)]:
            _environments.pop(other).close()  # of a file that was deleted or replaced
        _environments[key] = _open(path, status.st_size)
    return _environments[key]


def _open(path: Path, size: int) -> lmdb.Environment:
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    try:
        environment = lmdb.open(
            str(path),
            map_size=max(FIRST_SIZE, 2 * size),
            subdir=False,
            readonly=not writable,
            lock=writable or os.access(f"{path}-lock", os.W_OK),
            max_readers=MAX_READERS,
            metasync=False,
            readahead=False,  # a shuffled epoch reads from random positions
            meminit=False,
        )
    except lmdb.Error as error:
        raise DataError(f"{path} cannot be opened as a feature store ({error}); give another path") from error
    needed = (environment.info()["last_pgno"] + 1 - _SLACK) * environment.stat()["psize"]
    if size and size < needed:  # reading beyond the end would kill the process without a message
        environment.close()
        raise DataError(f"{path} is cut off: {size:,} of {needed:,} bytes; delete it and fill it again")
    return environment


def _close_before_fork() -> None:
    """Close every file: LMDB must not be used across a fork. Both processes open theirs when they next need it."""
    _lock.acquire()
    while _environments:
        _environments.popitem()[1].close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release)

"""Atomic file writing: a file appears complete or not at all, and never mixes the output of two writers."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, Any, Literal, overload

from mner.errors import OutputError
from mner.output_paths import make_folder_of, output_errors, refuse_special

_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
"""Errors of a file system without locks, such as Lustre mounted without ``flock``."""
_BLOCK = 1 << 16


@overload
def atomic_write(
    path: str | Path, mode: Literal["w"] = "w", *, wait: bool = False
) -> AbstractContextManager[IO[str]]: ...
@overload
def atomic_write(path: str | Path, mode: Literal["wb"], *, wait: bool = False) -> AbstractContextManager[IO[bytes]]: ...
@contextmanager
def atomic_write(path: str | Path, mode: Literal["w", "wb"] = "w", *, wait: bool = False) -> Iterator[IO[Any]]:
    """Open a file that replaces ``path`` when the block ends, and leaves ``path`` as it was when the block fails.

    The content goes into ``.NAME.partial`` in the same folder, which is synchronised to the disk and then renamed. The
    partial file is locked while it is written, and the operating system releases the lock of a killed process, so the
    next process reuses what such a process left.

    Args:
        path: The file. Its folder is created if needed.
        mode: ``"w"`` for UTF-8 text with LF line ends, ``"wb"`` for bytes. Half of a surrogate pair, which UTF-8 cannot
            encode, is written as a question mark.
        wait: Wait for another process that is writing ``path`` instead of refusing.

    Yields:
        The open file; its ``name`` is that of the partial file.

    Raises:
        OutputError: If ``path`` is anything but a regular file, another process is writing it, or the system refuses
            to write (no space, no permission, read-only, quota); names ``path``, which is then unchanged.
    """
    path = Path(path)
    with output_errors(path, always=True):
        make_folder_of(path)
        refuse_special(path)
        partial = path.with_name(f".{path.name}.partial")
        descriptor = _locked(partial, path, wait)
        os.ftruncate(descriptor, 0)
    text: dict[str, Any] = {"encoding": "utf-8", "errors": "replace", "newline": "\n"}
    file = open(partial, mode, opener=lambda *_: descriptor, **(text if mode == "w" else {}))  # noqa: SIM115
    try:
        with output_errors(path):
            yield file
        with output_errors(path, always=True):
            file.flush()
            os.fsync(descriptor)
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        with suppress(OSError):  # a failed flush was reported above
            file.close()


LineAppender = Callable[[Iterable[str]], None]
"""A function that appends lines to a file and returns once they are on disk."""


@contextmanager
def append_lines(path: str | Path) -> Iterator[LineAppender]:
    """Open a file of lines for appending, locked against other processes.

    An incomplete last line is removed, and so is the file if it has no line in the end.

    Args:
        path: The file. It and its folder are created if needed.

    Yields:
        A function that appends lines, each with its line end.

    Raises:
        OutputError: If ``path`` is anything but a regular file, another process is appending to it, or the system
            refuses to write; raised by the function too.
    """
    path = Path(path)
    with output_errors(path, always=True):
        make_folder_of(path)
        refuse_special(path)
        descriptor = _locked(path, path, wait=False)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:

        def append(lines: Iterable[str]) -> None:
            with output_errors(path, always=True):
                _write_all(file, "".join(lines).encode("utf-8", "replace"))
                os.fsync(descriptor)

        with output_errors(path, always=True):
            os.ftruncate(descriptor, _end_of_last_line(file))
            file.seek(0, os.SEEK_END)
        try:
            yield append
        finally:
            if not os.fstat(descriptor).st_size and _is_still(descriptor, path):
                path.unlink()


@contextmanager
def open_output(path: str | Path) -> Iterator[IO[str]]:
    """Open the text output that a user named: a file is replaced atomically, anything else is written to.

    A symbolic link stays a link: the file that it points to is replaced. Pipes, terminals, devices and whatever
    standard output is already redirected to are appended to, as the shell's ``>>`` does.

    Args:
        path: A file, a symbolic link, a named pipe, or a device such as ``/dev/stdout`` or ``/dev/null``.

    Yields:
        The open file.

    Raises:
        OutputError: As :func:`atomic_write`; also for a folder or a socket.
    """
    path = Path(path)
    if not is_stream(path):
        # realpath does not resolve a loop of links, which atomic_write then refuses.
        with atomic_write(os.path.realpath(path) if os.path.islink(path) else path) as file:  # noqa: PTH114
            yield file
        return
    with output_errors(path, always=True):
        stream = path.open("a", encoding="utf-8", errors="replace", newline="\n")
    try:
        with output_errors(path):
            yield stream
            stream.flush()
    finally:
        with suppress(OSError):  # a failed flush was reported above
            stream.close()


@contextmanager
def resumable_write(path: str | Path, key: str) -> Iterator[IO[bytes]]:
    """Open a file that replaces ``path`` when the block ends; what a killed process wrote is kept for the next one.

    The content goes into ``.NAME.KEY.unfinished`` in the same folder, while ``.NAME.partial`` keeps other writers out.

    Args:
        path: The file; a link stays a link.
        key: 16 hexadecimal digits that identify what is written; another key starts over.

    Yields:
        The unfinished file at its beginning, from where the caller reads what is there, truncates and continues it.

    Raises:
        OutputError: As :func:`atomic_write`.
    """
    path = Path(os.path.realpath(path) if os.path.islink(path) else path)  # noqa: PTH114
    with output_errors(path, always=True):
        make_folder_of(path)
        refuse_special(path)
        partial = path.with_name(f".{path.name}.partial")
        lock = _locked(partial, path, wait=False)
    try:
        unfinished = path.with_name(f".{path.name}.{key}.unfinished")
        with output_errors(path, always=True):
            for other in path.parent.glob(f".{escape(path.name)}.{'[0-9a-f]' * 16}.unfinished"):
                if other != unfinished:
                    other.unlink()
            unfinished.touch()
            file = unfinished.open("r+b")
        with file:
            with output_errors(path):
                yield file
                file.flush()
                os.fsync(file.fileno())
            with output_errors(path, always=True):
                with suppress(FileNotFoundError):
                    os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
                unfinished.replace(path)
    finally:
        with suppress(FileNotFoundError):
            if not unfinished.stat().st_size:
                unfinished.unlink()
        partial.unlink(missing_ok=True)
        os.close(lock)


def is_stream(path: Path) -> bool:
    """Return whether a path is written into, such as a pipe or a device, and has no content to replace."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # no such file yet, or an error that opening it will report
        return False
    if stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
        return True
    try:
        return stat.S_ISREG(found.st_mode) and os.path.samestat(found, os.fstat(1))
    except OSError:  # standard output is closed
        return False


def _locked(partial: Path, path: Path, wait: bool) -> int:
    """Open the partial file, locked against other processes and threads."""
    while True:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor, wait)
            # Its last owner may have renamed or removed the file between the two calls above.
            if _is_still(descriptor, partial):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise OutputError(
                f"cannot write {path}: another process is writing it; wait until it has ended, or give another path"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_still(descriptor: int, partial: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), partial.stat())
    except FileNotFoundError:
        return False


def _write_all(file: IO[bytes], content: bytes) -> None:
    while content:
        content = content[file.write(content) :]


def _end_of_last_line(file: IO[bytes]) -> int:
    """The position after the last line end, read from the end in blocks."""
    position = file.seek(0, os.SEEK_END)
    while position > 0:
        start = max(0, position - _BLOCK)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0

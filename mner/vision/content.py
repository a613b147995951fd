"""The content hashes of image files, remembered so that an unchanged file is hashed once in its life."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

from filelock import FileLock

CHUNK = 1 << 20


class ContentIndex:
    """Hashes of files, keyed by what the file system says of them, kept in an append-only JSON-lines file.

    A file counts as unchanged while its path, size, and times of modification and of inode change are the same; the
    last cannot be set back, so a file replaced under its old date is noticed. Data workers may read the index;
    :meth:`save` is for the process that fills a cache.

    Args:
        file: Where hashes are kept; need not exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, tuple[list[int], str]] = {}
        self._new: list[str] = []
        if file.exists():
            for line in file.read_text(encoding="utf-8").split("\n"):
                self._remember(line)

    def hash_of(self, path: Path) -> str:
        """The hash of a file's bytes, 32 hexadecimal digits.

        Args:
            path: An absolute path without links.

        Raises:
            OSError: If the file cannot be read.
        """
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        known = self._known.get(str(path))
        if known is not None and known[0] == stamp:
            return known[1]
        digest = hash_file(path)
        self._known[str(path)] = (stamp, digest)
        self._new.append(json.dumps([str(path), stamp, digest]))
        return digest

    def save(self) -> None:
        """Append the new hashes to the file."""
        if not self._new:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # The leading line break ends a line that a killed process left torn.
        with FileLock(f"{self._file}.lock"), self._file.open("a", encoding="utf-8") as stream:
            stream.write("\n" + "\n".join(self._new) + "\n")
        self._new.clear()

    def _remember(self, line: str) -> None:
        try:
            path, stamp, digest = json.loads(line)
        except ValueError:  # a torn line costs no more than hashing one file again
            return
        self._known[path] = (stamp, digest)


def hash_file(path: Path) -> str:
    """The BLAKE2b hash of a file's bytes, 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

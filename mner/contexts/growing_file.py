"""A file of JSON lines that several processes write together, and that a killed run leaves to go on with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mner.errors import ConfigurationError, FormatError
from mner.files import atomic_write

ERROR = "error"
"""Key of a record about an image that could not be used; it never gets into the whole file."""


class GrowingFile:
    """One record an image, in the file itself or in the parts beside it that processes are still writing.

    A part (``captions.jsonl.part0``) grows by whole lines; what a killed process left of a last line is dropped when
    it is opened again. When every image has a record, the last process puts the parts together, sorted by image, under
    the file's name, where nothing ever stands that is not complete.

    Args:
        path: The file.
        kind: Key of the texts.
        source: What writes them, kept in each record, so that two captioners never mix in one file.
    """

    def __init__(self, path: Path, kind: str, source: str) -> None:
        self.path = path
        self.kind = kind
        self.source = source

    def records(self) -> dict[str, dict[str, Any]]:
        """All records that are there, of the file and of all parts, by image.

        Raises:
            ConfigurationError: If a record is of another captioner or another kind.
            FormatError: If a line is no record.
        """
        found: dict[str, dict[str, Any]] = {}
        for path in [self.path, *self._parts()]:
            for record in self._read(path):
                if ERROR in record:
                    found.setdefault(record["image_id"], record)
                else:
                    found[record["image_id"]] = record
        return found

    @contextmanager
    def part(self, number: int) -> Iterator[Part]:
        """Open a process's own part to append to.

        Raises:
            ConfigurationError: If another process has it open.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self._lock(f"part{number}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConfigurationError(
                f"another process is writing {self.path}; wait for it, or share the work with torchrun"
            ) from None
        try:
            yield Part(self.path.with_name(f"{self.path.name}.part{number}"), self.source)
        finally:
            lock.release()
            Path(lock.lock_file).unlink(missing_ok=True)

    def merge(self, images: Iterable[str]) -> bool:
        """Put the parts together if every image has a record.

        Returns:
            Whether every image had one; if not, other processes are at work or were killed.
        """
        lock = self._lock("merge")
        with lock:
            found = self.records()
            complete = all(image in found for image in images)
            parts = self._parts()
            if complete and parts:
                good = [found[image] for image in sorted(found) if ERROR not in found[image]]
                with atomic_write(self.path) as file:
                    file.writelines(map(_line, good))
                for part in parts:
                    part.unlink(missing_ok=True)
        Path(lock.lock_file).unlink(missing_ok=True)
        return complete

    def _parts(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{escape(self.path.name)}.part*"))

    def _lock(self, name: str) -> FileLock:
        return FileLock(self.path.with_name(f".{self.path.name}.{name}.lock"))

    def _read(self, path: Path) -> Iterator[dict[str, Any]]:
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:  # no file yet, or a part that was merged meanwhile
            return
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line) if line else None
            except ValueError as error:
                if number == len(lines):
                    return  # torn
                raise FormatError(path, number, f"invalid JSON ({error})", "Delete the line") from error
            if record is not None:
                self._check(record, path, number)
                yield record

    def _check(self, record: Any, path: Path, number: int) -> None:
        if not isinstance(record, Mapping) or not isinstance(record.get("image_id"), str):
            raise FormatError(path, number, "no image_id", "Delete the line, or give another --output")
        if record.get("captioner", self.source) != self.source or not {self.kind, ERROR} & record.keys():
            raise ConfigurationError(
                f"{path}, line {number}, was not written by {self.source} with a text under {self.kind!r}; "
                "give another --output, or delete the file to write it anew"
            )


class Part:
    """The part of one process, in whole lines.

    Args:
        path: Its file.
        source: What writes it.
    """

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = source
        content = path.read_bytes() if path.exists() else b""
        sound = content.rfind(b"\n") + 1
        if sound < len(content):
            os.truncate(path, sound)

    def append(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Add records by image; the operating system has them when this returns."""
        lines = [{"image_id": image, **record, "captioner": self._source} for image, record in records.items()]
        with self._path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write("".join(map(_line, lines)))


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"

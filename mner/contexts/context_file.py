"""The output of ``mner caption``: JSON lines that several processes write, and from which a run is resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from mner.errors import ConfigurationError, FormatError, OutputError
from mner.files import LineAppender, append_lines, atomic_write
from mner.output_paths import check_target
from mner.post_json import to_json

ERROR = "error"
"""Key of a record about an image that cannot be used; such records are left out of the finished file."""


class ContextFile:
    """One JSON line per image, in the file itself or in the parts next to it that processes are writing.

    Each process appends to a part of its own (``captions.jsonl.part0``), which it keeps locked. When every image has a
    line, the parts are merged into the file, sorted by image; until then the file is unchanged.

    Args:
        path: The file.
        kind: Key of the texts.
        source: The captioner, which each line names; lines of another one, or of none, are never touched.
    """

    def __init__(self, path: Path, kind: str, source: str) -> None:
        self.path = path
        self.kind = kind
        self.source = source

    def lines(self) -> dict[str, str | None]:
        """The line of each image so far; ``None`` for an image that could not be used.

        Raises:
            ConfigurationError: If a line was written by another captioner, by hand, or has texts of another kind.
            FormatError: If a line is not a record.
        """
        found: dict[str, str | None] = {}
        for path in [self.path, *self._parts()]:
            for image, line in self._read(path):
                found[image] = line or found.get(image)
        return found

    @contextmanager
    def part(self, rank: int) -> Iterator[LineAppender]:
        """Open and lock the part of a process, to append to it.

        Raises:
            OutputError: If another run is writing it, or the file cannot be written.
        """
        check_target(self.path)
        with append_lines(self._part(rank)) as append:
            yield append

    def record(self, image: str, values: Mapping[str, Any]) -> str:
        """Format the line of an image."""
        return to_json({"image_id": image, **values, "captioner": self.source}) + "\n"

    def merge(self, images: Sequence[str], rank: int) -> bool:
        """Write the file if every image has a line, and remove the parts that no other process is writing.

        Returns:
            Whether the file is complete; if not, other processes are still writing or were killed.
        """
        if not self.lines().keys() >= set(images):
            return False
        parts = self._parts()
        if parts:
            with atomic_write(self.path, wait=True) as file:
                lines = self.lines()
                file.writelines(line for _, line in sorted(lines.items()) if line is not None)
        for part in parts:
            if part == self._part(rank):
                part.unlink(missing_ok=True)
            else:
                with suppress(OutputError), append_lines(part):  # unless its process has yet to come here
                    part.unlink(missing_ok=True)
        return True

    def _part(self, rank: int) -> Path:
        return self.path.with_name(f"{self.path.name}.part{rank}")

    def _parts(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{escape(self.path.name)}.part*"))

    def _read(self, path: Path) -> Iterator[tuple[str, str | None]]:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # no file yet, or a part that was merged meanwhile
            return
        with file:
            for number, raw in enumerate(file, start=1):
                if path != self.path and not raw.endswith(b"\n"):
                    return  # its process is writing it, or was killed
                try:
                    line = raw.decode()
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested too deeply
                    raise FormatError(path, number, f"invalid JSON ({error})", "Give another --output") from error
                self._check(record, path, number)
                yield record["image_id"], None if ERROR in record else line.rstrip("\n") + "\n"

    def _check(self, record: Any, path: Path, number: int) -> None:
        if not isinstance(record, Mapping) or not isinstance(record.get("image_id"), str):
            raise FormatError(path, number, "no image_id", "Give another --output")
        if record.get("captioner") != self.source or not {self.kind, ERROR} & record.keys():
            raise ConfigurationError(
                f"{path}, line {number}, was not written by {self.source} with a text under {self.kind!r}; "
                "give another --output, or delete the file to write it again"
            )

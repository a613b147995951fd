"""Where ``mner tag`` writes: the standard output, a pipe, or a file that a repeated command continues."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from jsonargparse import Namespace

import mner
from mner.errors import OutputError
from mner.files import is_stream, open_output, resumable_write

IN_KEY = (
    *("file", "ckpt_path", "format", "images", "region_file", "remote_images", "batch_size", "window"),
    *("max_line_bytes", "columns"),
)
"""Options that determine which posts are written, and in which batches they are tagged."""
HOW_IN_KEY = ("precision", "compile", "confidences", "threshold", "feature_store", "draft_images", "output_format")


@dataclass
class TagOutput:
    """An open output.

    Args:
        file: Where lines are written.
        done: Number of posts that an earlier attempt wrote.
    """

    file: IO[str]
    done: int = 0

    def flush(self) -> None:
        """Hand everything to the system, so that a killed process loses none of it."""
        self.file.flush()


@contextmanager
def tag_output(options: Namespace, live: bool) -> Iterator[TagOutput]:
    """Open the output of a command.

    Args:
        options: The options of ``mner tag``.
        live: Whether posts come from a pipe or a terminal, which cannot be read again.

    Raises:
        OutputError: If it cannot be written.
    """
    path = None if options.output in (None, "-") else Path(options.output)
    if path is None:
        if sys.stdout is None:
            raise OutputError("cannot write the predictions: the standard output is closed; give --output FILE")
        yield TagOutput(sys.stdout)
    elif live or options.file == "-" or is_stream(path):
        with open_output(path) as file:
            yield TagOutput(file)
    else:
        with resumable_write(path, tagging_key(options)) as content:
            done = keep_chunks(content, options.batch_size * options.window)
            file = TextIOWrapper(content, encoding="utf-8", errors="replace", newline="\n")
            try:
                yield TagOutput(file, done)
            finally:
                file.detach()  # flushes it


def tagging_key(options: Namespace) -> str:
    """Identify the posts, the checkpoint and the options of a command, by 16 hexadecimal digits."""
    values: dict[str, Any] = {name: f"{options[name]}" for name in (*IN_KEY, *HOW_IN_KEY)}
    for name in ("file", "ckpt_path", "images", "region_file"):
        given = options[name] if isinstance(options[name], list) else [options[name]]
        paths = [os.path.abspath(path) for path in given if path is not None and "://" not in f"{path}"]  # noqa: PTH100
        if paths:
            values[name] = paths
            values[f"{name} status"] = None if name == "images" else [*map(_status, paths)]
    described = json.dumps([mner.__version__, values], sort_keys=True)
    return sha256(described.encode()).hexdigest()[:16]


def keep_chunks(file: IO[bytes], chunk: int) -> int:
    """Cut an unfinished file after its last complete chunk of lines, from where it is continued in the same batches.

    Returns:
        The number of lines that are kept.
    """
    kept = position = end = 0
    for number, line in enumerate(file, start=1):
        if not line.endswith(b"\n"):
            break
        position += len(line)
        if number % chunk == 0:
            kept, end = number, position
    file.seek(end)
    file.truncate()
    return kept


def _status(path: str) -> Any:
    """Size and time of change of a file, or of the files in a folder."""
    try:
        inside = sorted(Path(path).iterdir()) if Path(path).is_dir() else [Path(path)]
        return [[each.name, each.stat().st_size, each.stat().st_mtime_ns] for each in inside]
    except OSError:  # which opening it will report
        return None

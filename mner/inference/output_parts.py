"""A folder of tagged posts in parts, local or remote: each part appears complete, and a finished one is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mner.errors import ConfigurationError, OutputError
from mner.files import atomic_write
from mner.post_json import to_json

PartFormat = Literal["jsonl", "parquet"]
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class OutputParts:
    """A folder of parts, on any file system of fsspec.

    Args:
        folder: A path, or a URL such as ``s3://bucket/tagged``.
        format: ``jsonl``: the lines of ``mner tag``; ``parquet``: id, words, text, entities, and the line.
    """

    folder: str
    format: PartFormat = "jsonl"

    def claim(self, key: str) -> None:
        """Create the folder for a run, or continue that of an earlier attempt at the same run.

        Raises:
            OutputError: If the folder has the parts of another run, or cannot be written.
        """
        system, folder = self._system()
        path = f"{folder}/{MANIFEST}"
        try:
            system.makedirs(folder, exist_ok=True)
            found = json.loads(system.cat_file(path))["key"] if system.exists(path) else None
            if found is None:
                if any(name.endswith(f".{self.format}") for name in system.find(folder, maxdepth=1)):
                    raise OutputError(f"{self.folder} has files of another origin; give another --output")
                system.pipe_file(path, to_json({"key": key}).encode())
        except OutputError:
            raise
        except Exception as error:  # every storage has errors of its own
            raise OutputError(
                f"cannot write into {self.folder}: {type(error).__name__}: {error}; give another --output"
            ) from error
        if found not in (None, key):
            raise OutputError(
                f"{self.folder} has the parts of other posts, options or checkpoints; give another --output"
            )

    def has(self, part: str) -> bool:
        """Whether a part is finished."""
        system, folder = self._system()
        return bool(system.exists(f"{folder}/{part}.{self.format}"))

    def write(self, part: str, lines: Sequence[str]) -> None:
        """Write a part; it appears when it is complete.

        Args:
            part: Its name, without a suffix.
            lines: Predictions as lines of JSON, without line breaks.

        Raises:
            OutputError: If it cannot be written; names it.
        """
        system, folder = self._system()
        path = f"{folder}/{part}.{self.format}"
        content = _parquet(lines) if self.format == "parquet" else "".join(f"{line}\n" for line in lines).encode()
        if "file" in system.protocol:
            with atomic_write(path, "wb", wait=True) as file:
                file.write(content)
            return
        try:
            system.pipe_file(path, content)  # an object appears when it is complete
        except Exception as error:  # every storage has errors of its own
            raise OutputError(f"cannot write {path}: {type(error).__name__}: {error}") from error

    def _system(self) -> tuple[Any, str]:
        system, folder = file_system(self.folder)
        return system, folder.rstrip("/")


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a path or URL, and the path on it.

    Raises:
        ConfigurationError: If no installed package implements its protocol.
    """
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"cannot open {url}: {error}") from error
    return system, path


def _parquet(lines: Sequence[str]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    entity = pa.struct(
        [
            ("type", pa.string()),
            ("text", pa.string()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("confidence", pa.float64()),
        ]
    )
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("words", pa.list_(pa.string())),
            ("text", pa.string()),
            ("image", pa.string()),
            ("predicted", pa.list_(entity)),
            ("json", pa.string()),
        ]
    )
    records = [{**json.loads(line), "json": line} for line in lines]
    rows = [{name: record.get(name) for name in schema.names} for record in records]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    return bytes(sink.getvalue())

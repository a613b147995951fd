"""Tar files in the layout of WebDataset: the files of a sample follow each other, and share their name up to a dot."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mner.data.embedded_images import is_image_name
from mner.errors import DataError, FormatError
from mner.images import MAX_BYTES
from mner.post_json import from_json


def tar_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Return the samples of a tar file, compressed or not, in constant memory; nothing is extracted.

    ``33.json`` is the record of the sample ``33``, ``33.txt`` its text, ``33.caption.txt`` its ``caption``, and
    ``33.jpg`` its image, or ``33.0.jpg`` and ``33.1.jpg`` its images. Links and other special members are ignored.

    Args:
        path: The file.

    Raises:
        FormatError: If it is malformed; names the member.
    """
    key, row = None, dict[str, Any]()
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                name = PurePosixPath(member.name)
                stem, dot, field = name.name.partition(".")
                if file is None or not stem or not dot:
                    continue
                if (found := str(name.parent / stem)) != key:
                    if row:
                        yield row
                    key, row = found, {}
                if member.size > MAX_BYTES:
                    raise FormatError(path, None, f"{name} has more than {MAX_BYTES:,} bytes", "Leave it out")
                _add(row, key, name.name, field, file.read(), path)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FormatError(
            path, None, f"not a valid tar file ({error})", "Write the file again; is it cut off?"
        ) from error
    if row:
        yield row


def _add(row: dict[str, Any], key: str, name: str, field: str, content: bytes, path: Path) -> None:
    try:
        if field == "json":
            record = from_json(content)
            if not isinstance(record, dict):
                raise DataError("expected an object")
            row |= {"id": key} | record
        elif field == "txt" or field.endswith(".txt"):
            row |= {field.removesuffix(".txt") if field != "txt" else "text": content.decode()}
        elif is_image_name(f".{field}"):
            row.setdefault("images", []).append({"path": name, "bytes": content})
        row.setdefault("id", key)
    except (DataError, UnicodeDecodeError) as error:
        raise FormatError(path, None, f"{name} is malformed: {error}", "Correct it") from error

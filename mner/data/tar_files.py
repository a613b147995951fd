"""Tar files in the layout of WebDataset: the files of a sample follow each other, and share their name up to a dot."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from mner.data.image_names import split_suffix
from mner.data.lines import Notes
from mner.errors import DataError, FormatError
from mner.images import MAX_BYTES
from mner.post_json import from_json


def tar_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Return the samples of a tar file, compressed or not, in constant memory; nothing is extracted.

    ``33.json`` is the record of the sample ``33``, ``33.txt`` its text, ``33.caption.txt`` its ``caption``, and
    ``33.jpg`` its image, or ``33.0.jpg`` and ``33.1.jpg`` its images; ``33.tags.json`` is the value of its ``tags``.
    Links and other special members are ignored; files of other kinds are left out and reported once per kind.

    Args:
        path: The file.

    Raises:
        FormatError: If it is malformed, or files of a sample contradict each other; names the member or the sample.
    """
    notes = Notes(path, unit="member")
    try:
        for sample, members in groupby(_members(path), key=lambda member: member.sample):
            yield _row(sample, members, path, notes)
    finally:
        notes.report()


class _Member(NamedTuple):
    number: int
    sample: str
    name: str
    field: str
    content: bytes


def _members(path: Path) -> Iterator[_Member]:
    try:
        with tarfile.open(path, "r|*") as archive:
            for number, member in enumerate(archive, start=1):
                file = archive.extractfile(member) if member.isfile() else None
                name = PurePosixPath(member.name)
                stem, dot, field = name.name.partition(".")
                if file is None or not stem or not dot:
                    continue
                if member.size > MAX_BYTES:
                    raise FormatError(path, None, f"{name} has more than {MAX_BYTES:,} bytes", "Leave it out")
                yield _Member(number, str(name.parent / stem), name.name, field.lower(), file.read())
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FormatError(
            path, None, f"not a valid tar file ({error})", "Write the file again; is it cut off?"
        ) from error


def _row(sample: str, members: Iterable[_Member], path: Path, notes: Notes) -> dict[str, Any]:
    row: dict[str, Any] = {}
    images: list[dict[str, Any]] = []
    for member in members:
        if split_suffix(member.name)[1]:
            images.append({"path": member.name, "bytes": member.content})
            continue
        try:
            fields = _fields(member)
        except (DataError, UnicodeDecodeError) as error:
            raise FormatError(path, None, f"{member.name} is malformed: {error}", "Correct it") from error
        if fields is None:
            notes.add(f"files *.{member.field} are left out", member.number, member.name)
            continue
        for field, value in fields.items():
            if row.get(field) not in (None, value):
                raise FormatError(
                    path, None, f"two values of {field} in the sample {sample}, one in {member.name}", "Keep one"
                )
            row[field] = value
    named = row.get("images")
    if images and named is not None and not (isinstance(named, list) and len(named) == len(images)):
        raise FormatError(
            path, None, f"{len(images)} images in the sample {sample}, whose record names {named!r:.60}", "Give all"
        )
    return {"id": sample} | row | ({"images": images} if images else {})


def _fields(member: _Member) -> dict[str, Any] | None:
    """Read the record of a sample, or a text or value under the name of its field; ``None`` for any other file."""
    if member.field == "json":
        record = from_json(member.content)
        if not isinstance(record, dict):
            raise DataError("expected an object")
        return record
    if member.field.endswith(".json"):
        return {member.field.removesuffix(".json"): from_json(member.content)}
    if member.field == "txt" or member.field.endswith(".txt"):
        return {member.field.removesuffix(".txt") if member.field != "txt" else "text": member.content.decode()}
    return None

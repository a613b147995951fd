"""brat's standoff annotation: a text in ``33.txt``, and its annotations in ``33.ann``, one per line."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from mner.data.image_names import split_suffix
from mner.data.lines import LEFT_OUT, Line
from mner.errors import DatasetNotFoundError, FormatError
from mner.paths import is_file

KEY = "brat_annotations"
ORIGIN = "brat_file"
"""Key of the file of the annotations, for messages."""
SUFFIX = ".ann"
_ENTITY = re.compile(r"(T\S+)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?")
_OTHERS = {
    "R": "relations",
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "normalisations",
    "*": "relations",
}


def brat_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Return a document per text, in alphabetical order, with the images that are named like it.

    A document in a subfolder, and its images, are named with the subfolder, as brat does: ``a/33``.

    Args:
        path: A folder, or the ``.ann`` or ``.txt`` file of one document.

    Raises:
        DatasetNotFoundError: If the text of an annotation is not there.
        FormatError: If a file is not in UTF-8.
    """
    folder = path.parent if is_file(path) else path
    files = sorted(folder.iterdir() if is_file(path) else filter(is_file, folder.rglob("*")))
    images: dict[str, list[str]] = defaultdict(list)
    for file in files:
        name, suffix = split_suffix(file.relative_to(folder).as_posix())
        images[name] += [name + suffix] if suffix else []
    documents = [path] if is_file(path) else [file for file in files if file.suffix in (".txt", SUFFIX)]
    for stem in dict.fromkeys(document.with_suffix("") for document in documents):
        text, annotations = stem.with_name(f"{stem.name}.txt"), stem.with_name(f"{stem.name}{SUFFIX}")
        if not is_file(text):
            raise DatasetNotFoundError(f"no text {text} of {annotations}; brat has both next to each other")
        name = stem.relative_to(folder).as_posix()
        row: dict[str, Any] = {"id": name, "text": _read(text)}
        if is_file(annotations):
            row |= {KEY: _read(annotations).split("\n"), ORIGIN: annotations}
        yield row | ({"images": images[name]} if images[name] else {})


def brat_document(value: Any, line: Line) -> dict[str, Any] | None:
    """Convert a document of :func:`brat_rows`; annotations other than entities are noted.

    Returns:
        The record, or ``None`` for another format.

    Raises:
        FormatError: If an entity is malformed, or in several parts.
    """
    if not isinstance(value, dict) or KEY not in value:
        return None
    record = {key: item for key, item in value.items() if key != KEY}
    record["entities"] = []
    for number, annotation in enumerate(value[KEY], start=1):
        if not annotation.strip():
            continue
        found = _ENTITY.fullmatch(annotation.rstrip("\r"))
        if not annotation.startswith("T"):
            kind = _OTHERS.get(annotation[0])
            if kind is not None:
                line.note(f"{kind} of brat are left out", annotation)
            continue
        if found is None:
            raise FormatError(
                line.path, number, f"the annotation {annotation!r:.60}", "Write T1<tab>PER 0 8<tab>Ana Ruiz"
            )
        name, kind, places, text = found.groups()
        start, end, is_contiguous = _bounds(places, record["text"])
        if not is_contiguous:
            complaint = f"{name} of {record['id']} is discontinuous: {text or places!r:.60}, a {kind} in several parts"
            if not line.notes.lenient:
                remedy = "Annotate one part, or the words between the parts as well"
                raise FormatError(line.path, number, complaint, remedy)
            line.note(LEFT_OUT, complaint)
            continue
        entity: dict[str, Any] = {"start": start, "end": end, "type": kind}
        if text is not None:
            surface = record["text"][start:end]
            entity["text"] = surface if surface.split() == text.split() else text  # brat writes a line break as a space
        record["entities"].append(entity)
    return record


def _bounds(places: str, text: str) -> tuple[int, int, bool]:
    """The start of an entity, its end, and whether only white space is between its parts.

    brat splits an entity at every line break.
    """
    parts = [tuple(map(int, part.split())) for part in places.split(";")]
    gaps = (text[end:start] for (_, end), (start, _) in pairwise(parts))
    return parts[0][0], parts[-1][1], all(gap.isspace() for gap in gaps)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # offsets count every character, line breaks as they are
    except UnicodeDecodeError as error:
        raise FormatError(path, None, f"not in UTF-8 ({error})", "Convert it") from error

"""Parquet, Arrow, tar, brat's and spaCy's ``DocBin`` files, and folders of them or of saved data sets, row by row."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mner.data.brat import SUFFIX, brat_rows
from mner.data.tables import BATCH, arrow_rows, rows_of
from mner.data.tar_files import tar_rows
from mner.errors import DataError, FormatError
from mner.paths import is_file, is_folder

_SUFFIXES = {
    ".spacy": "spacy",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".tar": "tar",
    ".tgz": "tar",
    ".ann": "brat",
}
_MAGIC = {b"PAR1": "parquet", b"ARRO": "arrow"}
_SAVED, _SAVED_SPLITS = "state.json", "dataset_dict.json"


def is_columnar(path: Path) -> bool:
    """Whether a path is a Parquet, Arrow, tar, brat or ``.spacy`` file, or a folder of them or of a saved data set."""
    return _kind(path) is not None


def columnar_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Return the rows of a file or folder; class indices of ``datasets`` become class names.

    Args:
        path: A path for which :func:`is_columnar` holds. The Parquet or tar files of a folder are read in alphabetical
            order.

    Raises:
        DataError: If ``pyarrow`` or ``datasets`` is not installed.
        FormatError: If a file is malformed, or the folder has several splits.
    """
    kind = _kind(path)
    if kind == "splits":
        splits = ", ".join(sorted(each.name for each in path.iterdir() if is_folder(each)))
        raise FormatError(path, None, f"a data set of the splits {splits}", "Give the folder of one of them")
    try:
        if kind == "spacy":
            yield from _spacy(path)
            return
        if kind == "brat":
            yield from brat_rows(path)
            return
        if kind in ("tar", "tars"):
            for file in _parts(path, "tar") if kind == "tars" else [path]:
                yield from tar_rows(file)
            return
        import pyarrow

        if kind == "saved":
            import datasets
    except ImportError as error:
        extra = "spacy" if kind == "spacy" else "tables"
        raise DataError(f"{path}: {error.name} is needed to read it; pip install 'mner[{extra}]'") from error
    try:
        if kind == "saved":
            yield from rows_of(datasets.load_from_disk(str(path)))
        for file in _parts(path, "parquet") if kind == "parts" else [path] if kind != "saved" else []:
            yield from _arrow(file) if kind == "arrow" else _parquet(file)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise FormatError(path, None, f"not a valid table ({error})", "Write the file again; is it cut off?") from error


def _kind(path: Path) -> str | None:
    if is_folder(path):
        names = {_SAVED: "saved", _SAVED_SPLITS: "splits"}
        kind = next((kind for name, kind in names.items() if is_file(path / name)), None)
        parts, found = {"parquet": "parts", "tar": "tars", "brat": "brat"}, set(map(_kind_by_suffix, path.iterdir()))
        kind = kind or next((kind for part, kind in parts.items() if part in found), None)
        return kind or ("brat" if next(path.rglob(f"*{SUFFIX}"), None) is not None else None)
    if not is_file(path):
        return None
    with path.open("rb") as file:
        kind = _MAGIC.get(file.read(4))
    return kind or _kind_by_suffix(path)


def _kind_by_suffix(path: Path) -> str | None:
    suffix = path.with_suffix("").suffix if path.suffix.lower() in (".gz", ".bz2", ".xz") else path.suffix
    return _SUFFIXES.get(suffix.lower())


def _parts(folder: Path, kind: str) -> list[Path]:
    """The files of one kind in a folder, in alphabetical order."""
    return sorted(file for file in folder.iterdir() if _kind_by_suffix(file) == kind)


def _spacy(path: Path) -> Iterator[dict[str, Any]]:
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    try:
        for doc in DocBin().from_disk(path).get_docs(Vocab()):
            record: dict[str, Any] = doc.to_json()
            if not doc.has_annotation("ENT_IOB"):
                record.pop("ents", None)
            yield record
    except (ValueError, KeyError, zlib.error) as error:
        raise FormatError(
            path, None, f"not a valid DocBin ({error})", "Write the file again; is it cut off?"
        ) from error


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        yield from arrow_rows(file.iter_batches(batch_size=BATCH), file.schema_arrow)


def _arrow(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow

    with pyarrow.memory_map(str(path)) as source:
        try:
            with pyarrow.ipc.open_file(source) as file:
                batches = (file.get_batch(number) for number in range(file.num_record_batches))
                yield from arrow_rows(batches, file.schema)
        except pyarrow.ArrowInvalid:
            source.seek(0)
            with pyarrow.ipc.open_stream(source) as stream:
                yield from arrow_rows(stream, stream.schema)

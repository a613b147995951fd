"""Parquet, Arrow, tar, brat's and spaCy's ``DocBin`` files, and folders of them or of saved data sets, row by row."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mner.data.brat import SUFFIX, brat_rows
from mner.data.prodigy import MISSING
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
_SAVED = {"state.json": "saved", "dataset_dict.json": "splits"}
_PARTS = ("parquet", "tar")
"""Kinds of files of which a folder may have several, the parts of one data set."""


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
    assert kind is not None
    if kind == "splits":
        splits = ", ".join(sorted(each.name for each in path.iterdir() if is_folder(each)))
        raise FormatError(path, None, f"a data set of the splits {splits}", "Give the folder of one of them")
    files = [path]
    if kind in _PARTS and is_folder(path):
        files = sorted(file for file in path.iterdir() if _kind_by_suffix(file) == kind)
    try:
        for file in files:
            yield from _READERS[kind](file)
    except ImportError as error:
        extra = "spacy" if kind == "spacy" else "tables"
        raise DataError(f"{path}: {error.name} is needed to read it; pip install 'mner[{extra}]'") from error


def _kind(path: Path) -> str | None:
    if not is_folder(path):
        if not is_file(path):
            return None
        with path.open("rb") as file:
            return _MAGIC.get(file.read(4)) or _kind_by_suffix(path)
    saved = next((kind for name, kind in _SAVED.items() if is_file(path / name)), None)
    if saved is not None:
        return saved
    found = set(map(_kind_by_suffix, path.iterdir()))
    parts = next((kind for kind in _PARTS if kind in found), None)
    return parts or ("brat" if next(path.rglob(f"*{SUFFIX}"), None) is not None else None)


def _kind_by_suffix(path: Path) -> str | None:
    suffix = path.with_suffix("").suffix if path.suffix.lower() in (".gz", ".bz2", ".xz") else path.suffix
    return _SUFFIXES.get(suffix.lower())


def _spacy(path: Path) -> Iterator[dict[str, Any]]:
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    try:
        for doc in DocBin().from_disk(path).get_docs(Vocab()):
            record: dict[str, Any] = doc.to_json()
            if not doc.has_annotation("ENT_IOB"):
                record.pop("ents", None)
            elif not doc.has_annotation("ENT_IOB", require_complete=True):
                record[MISSING] = [token.text for token in doc if not token.ent_iob]
            yield record
    except (ValueError, KeyError, zlib.error) as error:
        raise FormatError(
            path, None, f"not a valid DocBin ({error})", "Write the file again; is it cut off?"
        ) from error


@contextmanager
def _table_errors(path: Path) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise FormatError(path, None, f"not a valid table ({error})", "Write the file again; is it cut off?") from error


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    with _table_errors(path), pyarrow.parquet.ParquetFile(path) as file:
        yield from arrow_rows(file.iter_batches(batch_size=BATCH), file.schema_arrow)


def _arrow(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow

    with _table_errors(path), pyarrow.memory_map(str(path)) as source:
        try:
            with pyarrow.ipc.open_file(source) as file:
                batches = (file.get_batch(number) for number in range(file.num_record_batches))
                yield from arrow_rows(batches, file.schema)
        except pyarrow.ArrowInvalid:
            source.seek(0)
            with pyarrow.ipc.open_stream(source) as stream:
                yield from arrow_rows(stream, stream.schema)


def _saved(path: Path) -> Iterator[dict[str, Any]]:
    import datasets

    with _table_errors(path):
        yield from rows_of(datasets.load_from_disk(str(path)))


_READERS: dict[str, Callable[[Path], Iterator[dict[str, Any]]]] = {
    "spacy": _spacy,
    "brat": brat_rows,
    "tar": tar_rows,
    "parquet": _parquet,
    "arrow": _arrow,
    "saved": _saved,
}

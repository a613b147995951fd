"""Posts and parts on an object store, which has no folders, no renaming, and errors of its own."""

import json
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mner.errors import DataError, DatasetNotFoundError, OutputError
from mner.inference.output_parts import OutputParts
from mner.inference.ray_tagging import Reading, find_files, read_chunks

CONLL = "Kevin B-PER\nin O\nOslo B-LOC\n\nhello O\n"


class ObjectStore(MemoryFileSystem):
    """As S3 is to ``s3fs``: a folder is there when something is in it."""

    protocol = "store"
    store: ClassVar = {}
    pseudo_dirs: ClassVar = []

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("store:/"))

    def makedirs(self, path, exist_ok=False):
        """Do nothing."""

    def ls(self, path, detail=True, **options):
        found = super().ls(path, detail=detail, **options)
        if not found:
            raise FileNotFoundError(path)
        return found


class Refusing(MemoryFileSystem):
    """Raises what boto does without credentials, which is no ``OSError``."""

    protocol = "refusing"

    def info(self, path, **options):
        raise RuntimeError("unable to locate credentials")

    exists = pipe_file = makedirs = info


@pytest.fixture(autouse=True)
def stores(monkeypatch):
    for kind in (ObjectStore, Refusing):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)
    monkeypatch.setattr(ObjectStore, "store", {})
    monkeypatch.setattr(ObjectStore, "pseudo_dirs", [""])


def test_parts_of_an_object_store():
    parts = OutputParts("store://bucket/tagged")
    parts.claim("a")
    assert not parts.has("part-0")
    parts.write("part-0", ['{"id": "1"}'])
    OutputParts("store://bucket/tagged/").claim("a")
    assert parts.has("part-0")
    assert fsspec.filesystem("store").cat_file("/bucket/tagged/part-0.jsonl") == b'{"id": "1"}\n'
    with pytest.raises(OutputError, match="parts of other posts"):
        OutputParts("store://bucket/tagged").claim("b")


def test_a_folder_of_another_origin_is_not_touched():
    fsspec.filesystem("store").pipe_file("/bucket/mine/a.jsonl", b"{}\n")
    with pytest.raises(OutputError, match="files of another origin"):
        OutputParts("store://bucket/mine").claim("a")


def test_every_format_is_read_from_an_object_store(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{"id": "1", "text": "Kevin in Oslo"}, {"id": "2", "text": "hi"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a")
    store = fsspec.filesystem("store")
    lines = "".join(json.dumps({"id": name, "text": "Kevin in Oslo"}) + "\n" for name in "12")
    contents = {"a.parquet": (tmp_path / "a").read_bytes(), "b.jsonl": lines.encode(), "c.conll": CONLL.encode()}
    for name, content in (contents | {"_SUCCESS": b"", ".hidden": b"x"}).items():
        store.pipe_file(f"/bucket/posts/{name}", content)
    files = find_files("store://bucket/posts")
    assert [Path(file).name for file in files] == [*contents]
    parts = OutputParts("store://bucket/tagged")
    for number, file in enumerate(files):
        (row,) = read_chunks({"file": [file], "number": [number]}, Reading(), parts)
        assert (row["posts"][0].as_py(), row["bad_lines"][0].as_py()) == (2, 0)


def test_errors_of_a_store_are_messages():
    with pytest.raises(DatasetNotFoundError, match="no file of posts at store://bucket/nothing"):
        find_files("store://bucket/nothing")
    with pytest.raises(DataError, match="cannot read refusing://a: RuntimeError: unable to locate credentials"):
        find_files("refusing://a")
    with pytest.raises(OutputError, match="cannot write into refusing://a: RuntimeError: unable to locate credentials"):
        OutputParts("refusing://a").claim("key")
    with pytest.raises(DataError, match="cannot read store://bucket/gone"):
        list(read_chunks({"file": ["store://bucket/gone"], "number": [0]}, Reading(), OutputParts("store://b")))

"""Content hashes: remembered while a file is unchanged, and never longer."""

import os
from hashlib import blake2b

import pytest

from mner.vision import content
from mner.vision.content import ContentIndex


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files whose bytes were read."""
    names = []
    plain = content.hash_file
    monkeypatch.setattr(content, "hash_file", lambda path: names.append(path.name) or plain(path))
    return names


def test_a_file_is_hashed_once_over_processes(tmp_path, hashed):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"one" * 1_000_000)
    index = ContentIndex(tmp_path / "cache" / "contents.jsonl")
    expected = blake2b(b"one" * 1_000_000, digest_size=16).hexdigest()
    assert index.hash_of(file) == index.hash_of(file) == expected
    index.save()
    index.save()
    again = ContentIndex(tmp_path / "cache" / "contents.jsonl")
    assert again.hash_of(file) == expected
    assert hashed == ["a.jpg"]


def test_a_changed_file_is_hashed_again_even_under_its_old_date_and_size(tmp_path, hashed):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"one")
    status = file.stat()
    index = ContentIndex(tmp_path / "contents.jsonl")
    first = index.hash_of(file)
    (tmp_path / "b.jpg").write_bytes(b"two")
    (tmp_path / "b.jpg").replace(file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert index.hash_of(file) != first
    assert len(hashed) == 2


def test_a_torn_line_loses_nothing_else(tmp_path, hashed):
    files = [tmp_path / f"{index}.jpg" for index in range(3)]
    for file in files:
        file.write_bytes(file.name.encode())
    index = ContentIndex(tmp_path / "contents.jsonl")
    for file in files[:2]:
        index.hash_of(file)
    index.save()
    with (tmp_path / "contents.jsonl").open("a") as stream:
        stream.write('["/torn/line", [1, 2')
    index = ContentIndex(tmp_path / "contents.jsonl")
    index.hash_of(files[2])
    index.save()
    again = ContentIndex(tmp_path / "contents.jsonl")
    hashed.clear()
    assert len({again.hash_of(file) for file in files}) == 3
    assert not hashed

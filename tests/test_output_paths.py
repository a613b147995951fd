"""Paths that are refused as outputs: what is read, under any name, and what is not in a folder."""

import pytest

from mner.errors import OutputError
from mner.files import append_lines, atomic_write, open_output, resumable_write
from mner.output_paths import check_folder, check_target, protected


def write(path, text):
    with atomic_write(path) as file:
        file.write(text)


def test_a_path_is_checked_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for path in (tmp_path / "file", tmp_path / "new" / "file"):
        check_target(path)
    check_folder(tmp_path / "new" / "folder")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(OutputError, match="expected a file or a new name"):
            check_target(path)
    with pytest.raises(OutputError, match="is not a folder"):
        check_folder(tmp_path / "file" / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.parametrize("address", ["s3://bucket/a/b", "gs://bucket/a", "https://example.org/a"])
def test_an_address_does_not_become_a_folder(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    for check in (check_target, check_folder, lambda path: write(path, "text")):
        with pytest.raises(OutputError, match="it is an address"):
            check(address)
    assert not list(tmp_path.iterdir())
    check_target("C:/a/b")
    write("notes:2", "text")


def test_what_is_no_file_is_named_for_what_it_is_whoever_asks(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # as for an ordinary user in /dev
    with pytest.raises(OutputError, match="got a device"):
        check_target("/dev/null")
    with pytest.raises(OutputError, match="is write-protected"):
        check_target(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file is not a folder"):
        check_target(tmp_path / "file" / "new")


def test_what_a_command_reads_is_not_written_under_any_name(tmp_path):
    read, link = tmp_path / "read", tmp_path / "link"
    write(read, "input")
    link.symlink_to(read)
    (tmp_path / "hard").hardlink_to(read)
    writers = [
        lambda: atomic_write(read), lambda: atomic_write(tmp_path / "." / "hard"), lambda: append_lines(read),
        lambda: open_output(link), lambda: resumable_write(read, "0" * 16),
    ]  # fmt: skip
    with protected([read, tmp_path / "missing"]):
        for writer in writers:
            with pytest.raises(OutputError, match="this command reads it"), writer():
                pass
        write(tmp_path / "other", "output")
    assert read.read_text(encoding="utf-8") == "input"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hard", "link", "other", "read"]
    write(read, "output")
    assert read.read_text(encoding="utf-8") == "output"


@pytest.mark.parametrize("name", ["file", "link"])
def test_a_file_is_no_folder_of_outputs(tmp_path, name):
    (tmp_path / "file").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=f"cannot write .*/{name}/b/c: .*/{name} is not a folder"):
        write(tmp_path / name / "b" / "c", "new")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old"

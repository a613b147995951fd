"""The atomic writer: whole or not at all, one writer at a time, and nothing but a regular file is replaced."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from mner.errors import DataError, OutputError
from mner.files import append_lines, atomic_write, open_output


def write(path, text):
    with atomic_write(path) as file:
        file.write(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    with atomic_write(path) as file:
        file.write("é\n")
        assert not path.exists()
    assert path.read_bytes() == "é\n".encode()
    with atomic_write(path, "wb") as file:
        file.write(b"\xff")
        assert path.read_bytes() == "é\n".encode()
    assert path.read_bytes() == b"\xff"
    assert names(path.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt(), FileNotFoundError("another file")])
def test_a_failure_leaves_the_former_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    write(path, "former")

    def failing():
        with atomic_write(path) as file:
            file.write("half")
            raise error

    with pytest.raises(type(error)) as raised:
        failing()
    assert raised.value is error
    assert path.read_text(encoding="utf-8") == "former"
    assert names(tmp_path) == ["file.txt"]


def test_the_mode_is_that_of_the_former_file_or_of_the_umask(tmp_path):
    path = tmp_path / "file.txt"
    before = os.umask(0o027)
    try:
        write(path, "a")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o604)
    write(path, "b")
    assert path.stat().st_mode & 0o777 == 0o604


def test_only_a_regular_file_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "real").write_text("former", encoding="utf-8")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    before = names(tmp_path)
    for name, what in {
        "folder": "a folder",
        "link": "a symbolic link",
        "dangling": "a symbolic link",
        "fifo": "a named pipe",
        "/dev/null": "a device",
        ".": "a folder",
    }.items():
        with pytest.raises(OutputError, match=f"got {what}"):
            write(tmp_path / name, "new")
    assert names(tmp_path) == before
    assert (tmp_path / "real").read_text(encoding="utf-8") == "former"


def test_a_second_writer_is_refused_or_waits(tmp_path):
    path = tmp_path / "file.txt"
    with atomic_write(path) as file:
        file.write("first")
        with pytest.raises(OutputError, match="another process is writing it"):
            write(path, "second")
        waiting = threading.Thread(target=lambda: atomic_write_waiting(path, "third"))
        waiting.start()
        time.sleep(0.1)
        assert not path.exists()
    waiting.join()
    assert path.read_text(encoding="utf-8") == "third"
    assert names(tmp_path) == ["file.txt"]


def atomic_write_waiting(path, text):
    with atomic_write(path, wait=True) as file:
        file.write(text)


def test_many_waiting_writers_each_write_whole(tmp_path):
    path = tmp_path / "file.txt"
    threads = [threading.Thread(target=atomic_write_waiting, args=(path, f"{n}" * 5000)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = path.read_text(encoding="utf-8")
    assert len(text) == 5000
    assert len(set(text)) == 1
    assert names(tmp_path) == ["file.txt"]


def test_what_a_killed_process_left_is_reused(tmp_path):
    path = tmp_path / "file.txt"
    code = (
        "import sys, time; from mner.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write('x' * 100000); file.flush(); print('ready', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    with pytest.raises(OutputError, match="another process"):
        write(path, "new")
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert names(tmp_path) == [".file.txt.partial"]
    write(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert names(tmp_path) == ["file.txt"]


@pytest.fixture
def full_disk():
    """As a full disk, for this process: files of more than 100,000 bytes cannot be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_one_line_and_the_former_file(tmp_path, full_disk):
    path = tmp_path / "file.txt"
    write(path, "former")
    with pytest.raises(OutputError, match=r"cannot write .*file\.txt: File too large") as error:
        write(path, "x" * 200_000)
    assert "\n" not in str(error.value)
    assert path.read_text(encoding="utf-8") == "former"
    assert names(tmp_path) == ["file.txt"]
    with pytest.raises(OutputError, match=r"file\.txt: File too large"), atomic_write(path, "wb") as file:
        torch.save(torch.zeros(100_000), file)
    assert path.read_text(encoding="utf-8") == "former"
    assert names(tmp_path) == ["file.txt"]


def test_errors_of_the_system_are_about_the_path(tmp_path, monkeypatch):
    (tmp_path / "file.txt").write_text("former", encoding="utf-8")
    with pytest.raises(OutputError, match=r"file\.txt/below: .* is not a folder"):
        write(tmp_path / "file.txt" / "below", "new")

    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:  # not while pytest removes the folder
        patch.setattr(os, "open", refuse)
        with pytest.raises(OutputError, match=r"file\.txt: Read-only file system"):
            write(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").read_text(encoding="utf-8") == "former"


def test_a_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    path.write_text("former", encoding="utf-8")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everything
    with pytest.raises(OutputError, match="write-protected"):
        write(path, "new")
    assert path.read_text(encoding="utf-8") == "former"


def test_an_error_of_the_library_stays_what_it_is(tmp_path):
    def failing():
        with atomic_write(tmp_path / "file.txt"):
            try:
                raise OSError(errno.ENOSPC, "elsewhere")
            except OSError as error:
                raise DataError("bad") from error

    with pytest.raises(DataError, match=r"^bad$"):
        failing()


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)
    write(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").read_text(encoding="utf-8") == "new"


def test_half_of_a_surrogate_pair_is_a_question_mark(tmp_path):
    write(tmp_path / "file.txt", "a\ud83d")
    assert (tmp_path / "file.txt").read_text(encoding="utf-8") == "a?"


def test_appended_lines_follow_the_last_whole_line(tmp_path):
    path = tmp_path / "new" / "lines.txt"
    with append_lines(path) as append:
        append(["a\n", "\u00e9\n"])
        assert path.read_text(encoding="utf-8") == "a\n\u00e9\n"
        with pytest.raises(OutputError, match="another process is writing it"), append_lines(path):
            pass
    for torn in ("torn", "x" * 200_000):
        path.write_text(f"a\n{torn}", encoding="utf-8")
        with append_lines(path) as append:
            append(["b\n"])
        assert path.read_text(encoding="utf-8") == "a\nb\n"
    path.write_text("torn" * 50_000, encoding="utf-8")
    with append_lines(path) as append:
        append([])
    assert not path.exists()


def test_appending_to_a_full_disk_keeps_the_whole_lines(tmp_path, full_disk):
    path = tmp_path / "lines.txt"
    with append_lines(path) as append:
        append(["a\n"])
        with pytest.raises(OutputError, match=r"lines\.txt: File too large"):
            append(["x" * 200_000 + "\n"])
    with append_lines(path) as append:
        append(["b\n"])
    assert path.read_text(encoding="utf-8") == "a\nb\n"


def output(path, text):
    with open_output(path) as file:
        file.write(text)


def test_an_output_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link"
    link.symlink_to("elsewhere/file.txt")
    for text in ("new", "newer"):
        output(link, text)
        assert link.is_symlink()
        assert (tmp_path / "elsewhere" / "file.txt").read_text(encoding="utf-8") == text
    assert names(tmp_path) == ["elsewhere", "link"]
    with pytest.raises(OutputError, match="a folder"):
        output(tmp_path, "new")


def test_an_output_to_a_pipe_or_a_device_is_written_into_it(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_text(encoding="utf-8")))
    reader.start()
    output(fifo, "through the pipe\n")
    reader.join()
    assert got == ["through the pipe\n"]
    assert fifo.is_fifo()
    output("/dev/null", "gone")
    assert Path("/dev/null").is_char_device()
    if Path("/dev/full").is_char_device():
        with pytest.raises(OutputError, match="/dev/full: No space left on device"):
            output("/dev/full", "new")


@pytest.mark.parametrize("name", ["/dev/stdout", "out.txt"])
def test_an_output_to_what_standard_output_is_redirected_to(tmp_path, name):
    code = (
        "import sys; from mner.files import open_output\n"
        "print('before', flush=True)\n"
        "with open_output(sys.argv[1]) as file: file.write('inside\\n')\n"
        "print('after')"
    )
    with (tmp_path / "out.txt").open("ab") as redirected:
        subprocess.run([sys.executable, "-c", code, name], cwd=tmp_path, stdout=redirected, check=True)
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "before\ninside\nafter\n"

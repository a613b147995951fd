"""Lines end where they should, and what is not UTF-8 text is named."""

import io
import tracemalloc

import pytest

from mner.data.lines import read_lines
from mner.errors import DatasetNotFoundError, FormatError


def lines_of(content: bytes):
    return [line.text for line in read_lines(io.BytesIO(content))]


def test_only_lf_and_crlf_end_a_line():
    assert lines_of("a\u0085b\u2028c\x0bd\r\ne\n\nf".encode()) == ["a\u0085b\u2028c\x0bd", "e", "", "f"]


def test_byte_order_mark_is_skipped():
    assert lines_of(b"\xef\xbb\xbfa\n") == ["a"]


def test_text_streams_read_alike():
    assert [line.text for line in read_lines(io.StringIO("a\u2028b\nc"))] == ["a\u2028b", "c"]


class LongLine(io.RawIOBase):
    """A line of 50 MB between two short ones, which is made as it is read."""

    def __init__(self):
        self.left = 50_000_000
        self.pieces = [b"a\n", b"b\n"]

    def readable(self):
        return True

    def readinto(self, buffer):
        if len(self.pieces) == 2 or not self.left:
            piece = self.pieces.pop(0) if self.pieces else b""
        else:
            piece = b"x" * min(len(buffer), self.left)
            self.left -= len(piece)
            piece = piece if self.left else piece[:-1] + b"\n"
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_line_beyond_the_limit_is_never_held_in_memory():
    tracemalloc.start()
    lines = list(read_lines(io.BufferedReader(LongLine()), max_line_bytes=100_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
    assert [line.number for line in lines] == [1, 2, 3]
    assert (lines[0].text, lines[2].text, lines[2].offset) == ("a", "b", 50_000_002)
    with pytest.raises(FormatError, match="line 2: a line of 50,000,000 bytes, longer than the limit"):
        _ = lines[1].text


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_limit_counts_bytes_without_the_line_end(end):
    def read(content, limit):
        return [line.text for line in read_lines(io.BytesIO(content.encode()), limit)]

    assert read(f"abcd{end}", 4) == ["abcd"]
    assert read(f"\n\u00e9\u00e9{end}", 4) == ["", "\u00e9\u00e9"]
    with pytest.raises(FormatError, match="5 bytes" if not end else "6 bytes"):
        read(f"abcde{end}", 4)


def test_an_array_of_records_has_no_limit():
    content = b'\xef\xbb\xbf\n [{"text": "in Oslo"}]\n'
    assert [line.text for line in read_lines(io.BytesIO(content), 4)][-1] == ' [{"text": "in Oslo"}]'


def test_no_break_space_is_not_blank():
    blank = [line.blank for line in read_lines(io.BytesIO("\xa0\n \t\n".encode()))]
    assert blank == [False, True]


def test_not_utf8_names_line_and_offset(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"ab\ncaf\xe9\n")
    with pytest.raises(FormatError, match=r"latin.txt, line 2: byte 0xe9 at offset 6 .*UTF-8"):
        [line.text for line in read_lines(path)]


def test_offset_counts_the_byte_order_mark(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"\xef\xbb\xbf\xe9\n")
    with pytest.raises(FormatError, match="offset 3 "):
        [line.text for line in read_lines(path)]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG"),
        (b"PK\x03\x04rest", r"Office document\). Save the sheet as CSV"),
        (b"\x1f\x8b\x08", "gzip-compressed data. Decompress it"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\0", "xz-compressed"),
        (b"\x28\xb5\x2f\xfd\x24", "zstd"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("a\tO\n".encode("utf-16"), "UTF-16 text. Convert it, for example with `iconv -f UTF-16 -t UTF-8`"),
        ("a\tO\n".encode("utf-16-le"), "UTF-16 text"),
        ("a\tO\n".encode("utf-16-be"), "UTF-16 text"),
        ("a\tO\n".encode("utf-32"), "UTF-32 text"),
        (b"abc\0def", "binary"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "a Git LFS pointer, not the file itself",
        ),
        (b"", "empty"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content, kind):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=kind):
        list(read_lines(path))


@pytest.mark.parametrize("content", [b"a\nb\0c\n", b"a\nb\rc\n"])
def test_control_characters_of_broken_files(content):
    with pytest.raises(FormatError, match="line 2"):
        lines_of(content)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="no file"):
        list(read_lines(tmp_path / "none.txt"))
    with pytest.raises(FormatError, match="folder"):
        list(read_lines(tmp_path))

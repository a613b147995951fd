"""Formats are recognised, streams are read as they come, and other files are refused."""

import io
from itertools import count, islice

import pytest

from mner.data.lines import read_lines
from mner.data.readers import detect_format, iter_posts, read_posts
from mner.errors import ConfigurationError, FormatError


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ('{"tokens": ["a"]}\n', "json_lines"),
        ('  { "text": "a" }\n', "json_lines"),
        ('[{"tokens": ["a"]}]', "json_array"),
        ("[\n", "json_array"),
        ("IMGID:5\na\tO\n", "conll"),
        ("a\tO\nb\tB-PER\n", "conll"),
        ("{\tO\n[\tO\n", "conll"),
        ("{ O\nx O\n", "conll"),
        ("a NN B-NP B-PER\n", "conll"),
        ("a PER-B\nb LOC_B\n", "conll"),
        ("Hello\nParis\n\nhi\n", "conll"),
        ("Hello\n\xa0\n,\n", "conll"),
        ("watch the NBA tonight\nand vitamin C\n", None),
        ("[VIDEO] see this\n", None),
        ("IMGID:5 is a word\nof this text\n", None),
        ("hello\n", None),
        ("id,text,tags\n1,hi Bob,O B-PER\n", None),
        ("id,word,tag\n1,hi,O\n2,Bob,B-PER\n", None),
        ("id\ttext\n1\thello there world\n2\tthis is text\n", None),
        ("<html>\n<body class='x'>\n", None),
    ],
)
def test_detection(content, format):
    assert detect_format(list(read_lines(io.StringIO(content)))) == format


@pytest.mark.parametrize("content", ["id,text,tags\n1,hi Bob,O B-PER\n", "just some text\nin two lines\n"])
def test_a_file_of_another_format_is_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(FormatError, match="begins no format that mner reads"):
        read_posts(path)


@pytest.mark.parametrize("content", ["\n\n", "-DOCSTART- -X- -X- O\n\n"])
def test_a_file_without_posts_is_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(FormatError, match="no posts"):
        read_posts(path)


def test_plain_text(tmp_path):
    path = tmp_path / "posts.txt"
    path.write_text("Bob's here\n\n\U0001f600\n")
    posts = read_posts(path, format="text")
    assert [(post.id, post.words) for post in posts] == [("1", ("Bob", "'", "s", "here")), ("3", ("\U0001f600",))]
    assert list(iter_posts(path)) == posts


def test_an_unknown_format_names_the_known(tmp_path):
    path = tmp_path / "posts.txt"
    path.write_text("a\tO\n")
    with pytest.raises(ConfigurationError, match="json_lines"):
        read_posts(path, format="conl")


@pytest.mark.parametrize("line", ['{"text": "hello"}\n', "hello to you all\n"])
def test_an_endless_stream_is_read_as_it_comes(line):
    class Endless(io.RawIOBase):
        taken = 0

        def __iter__(self):
            for self.taken in count(1):
                yield line.encode()

    stream = Endless()
    assert len(list(islice(iter_posts(stream), 5))) == 5
    assert stream.taken == 5


def test_bad_lines_of_a_stream_are_reported():
    errors = []
    posts = list(iter_posts(io.BytesIO(b"hello to you\n\xff\xfe\nbye\n"), on_error=errors.append))
    assert [post.id for post in posts] == ["1", "3"]
    assert [error.line for error in errors] == [2]
    with pytest.raises(FormatError, match="not UTF-8"):
        list(iter_posts(io.BytesIO(b"hello to you\n\xff\xfe\nbye\n")))


def test_a_very_long_post_is_read_whole():
    text = "word " * 600
    assert len(next(iter_posts(io.StringIO(text))).words) == 600

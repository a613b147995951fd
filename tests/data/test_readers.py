"""Formats are recognised, streams are read as they come, and other files are refused."""

import io
from itertools import islice
from pathlib import Path

import pytest

from mner.data.detection import detect_format
from mner.data.lines import read_lines
from mner.data.readers import iter_posts, read_posts
from mner.errors import ConfigurationError, FormatError


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ('{"tokens": ["a"]}\n', "json"),
        ('  { "text": "a" }\n', "json"),
        ('[{"tokens": ["a"]}]', "json"),
        ("[\n", "json"),
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
        ("他在北京工作\n我爱北京天安门\n", None),
        ("サッカーが好き\n東京\n", None),
        ("ฉันรักเธอ\nสวัสดีครับ\n", None),
        ("😀\n😂😂\n", None),
        ("iPhone很好用\nhttps://t.co/x\n我\n", None),
        ("他\n在\n北\n京\n\n我\n", "conll"),
        ("他在北京工作\tO\n我\tO\n", "conll"),
        ("# id 5-f\tdomain=en\nana _ _ B-PER\n", "conll"),
        ("text\tO\nid\tO\n", "conll"),
        ("{'token': ['a']}\n", "json"),
        ('["text", {"entities": []}]\n', "json"),
        ("<html>\n<body class='x'>\n", None),
        ('"one"\n"two, \\u00e9"\n', "json"),
        ('"one\\n line"\n', "json"),
        ('"To be or not to be"\n', None),
        ('"quoted" and not\n"so"\n', None),
        ("imgid:5\na\tO\n", "conll"),
        ("IMGID:5\tO\nand\tO\n", "conll"),
        ("- O\nx O\n", "conll"),
        ("- a bullet\nand more text\n", None),
    ],
)
def test_detection(content, format):
    assert detect_format(list(read_lines(io.StringIO(content)))) == format


@pytest.mark.parametrize("read", [read_posts, lambda source: list(iter_posts(source))])
@pytest.mark.parametrize("source", [[{"text": "a"}], {"text": ["a"]}, None, 7, b"posts.jsonl"])
def test_what_is_no_file_and_no_table(read, source):
    with pytest.raises(ConfigurationError, match=rf"got a {type(source).__name__}; make a table of records"):
        read(source)


def test_plain_text_must_be_asked_for(tmp_path):
    path = tmp_path / "file"
    path.write_text("just some text\nin two lines\n", encoding="utf-8")
    with pytest.raises(FormatError, match="is not the beginning of a format that mner reads"):
        read_posts(path)


@pytest.mark.parametrize("read", [read_posts, lambda path: list(iter_posts(path))], ids=["read", "iter"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("tweet_id,full_text,user\n1,hi,x\n", "header of a table .tweet_id, full_text, user. without a column 'text'"),
        ("word\ttag\nAna\tB-PER\n", "delete the header"),
        ('1,"so, really"\n2,hi there\n', "rows of a table"),
        ("T1\tPER 0 8\tAna Ruiz\n", "brat"),
        ('<?xml version="1.0"?>\n<x/>\n', "XML"),
        ("Ana,B-PER\nin,O\n,,O\n\nok,O\n", "a delimiter other"),
        ("Ana;NNP;B-PER\nin;IN;O\n", "a delimiter other"),
        ("Ana\u00a0B-PER\nin\u00a0O\n", "a delimiter other"),
        ("<!DOCTYPE html>\n", "HTML"),
        ("- one text\n- two texts\n", "a list in YAML"),
        ("---\n- text: one\n  image: a.jpg\n- text: two\n", "a list in YAML"),
    ],
)
def test_other_formats_are_named(tmp_path, read, content, found):
    path = tmp_path / "file"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=found):
        read(path)


@pytest.mark.parametrize(
    "first", ["Hello, text me", "so, text", "1, 2, 3 go", "id like to go, really", "text", "Lugo, Spain"]
)
def test_prose_with_commas_is_text(tmp_path, first):
    path = tmp_path / "file"
    path.write_text(f"{first}\nsome more text here\n", encoding="utf-8")
    assert [post.text for post in iter_posts(path)] == [first, "some more text here"]


def test_texts_as_json_strings(tmp_path):
    path = tmp_path / "posts"
    for content in ('"In \\u004cugo"\n"hi"\n', '[\n"In Lugo",\n"hi"\n]\n'):
        path.write_text(content, encoding="utf-8")
        assert [post.text for post in iter_posts(path)] == ["In Lugo", "hi"]


@pytest.mark.filterwarnings("ignore:.*they have no boxes")
def test_folders_may_be_strings(tmp_path):
    path = tmp_path / "posts"
    path.write_text("IMGID:5\na\tO\n", encoding="utf-8")
    assert read_posts(str(path), images="images", boxes=str(tmp_path)) == read_posts(path, images=Path("images"))


def test_surrogates_are_repaired_and_reported_once(tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_bytes(
        b'{"tokens": ["a\\ud83d"]}\n{"tokens": ["\\ud83d\\ude00", "\xed\xa0\xbd"], "l": {"x": "\\ude00"}}\n'
    )
    with pytest.warns(UserWarning, match="posts.jsonl: lone surrogates.*2 lines, the first is 1") as caught:
        posts = read_posts(path)
    assert len(caught) == 1
    assert [post.words for post in posts] == [("a\ufffd",), ("\U0001f600", "\ufffd")]
    assert posts[1].metadata == {"l": {"x": "\ufffd"}}


def test_surrogates_in_conll(tmp_path):
    path = tmp_path / "posts.txt"
    path.write_bytes(b"a\xed\xa0\xbd\tO\nb\tO\n")
    with pytest.warns(UserWarning, match="line 1"):
        assert read_posts(path)[0].words == ("a\ufffd", "b")


@pytest.mark.parametrize("content", ["\n\n", "-DOCSTART- -X- -X- O\n\n"])
def test_a_file_without_posts_is_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match="no posts"):
        read_posts(path)


def test_plain_text(tmp_path):
    path = tmp_path / "posts.txt"
    path.write_text("Bob's here\n\n\U0001f600\n", encoding="utf-8")
    posts = read_posts(path, format="text")
    assert [(post.id, post.words) for post in posts] == [("1", ("Bob", "'", "s", "here")), ("3", ("\U0001f600",))]
    assert list(iter_posts(path)) == posts


def test_an_unknown_format_names_the_known(tmp_path):
    path = tmp_path / "posts.txt"
    path.write_text("a\tO\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="conll, csv, json, text"):
        read_posts(path, format="conl")


@pytest.mark.parametrize("line", ['{"text": "hello"}\n', "hello to you all\n"])
def test_an_endless_stream_is_read_as_it_comes(line):
    class Endless(io.RawIOBase):
        taken = 0

        def readline(self, size=-1):
            self.taken += 1
            return line.encode()

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

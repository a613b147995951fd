"""JSON files: lines and arrays, and errors at their line."""

import io
import json

import pytest

from mner.data.readers import iter_posts, read_posts
from mner.errors import FormatError

RECORDS = [{"id": index, "tokens": ["a", "[x]", "\u2028"], "label": ["O", "B-PER", "O"]} for index in range(3)]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(json.dumps(record) for record in RECORDS),
        "\n\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS) + "\n\n",
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2) + "\n",
        "\n".join(json.dumps(record, indent=2) for record in RECORDS),
        "\n".join(json.dumps(record, indent="\t", ensure_ascii=False) + "\n" for record in RECORDS),
        "[\n" + ",\n".join(json.dumps(record) for record in RECORDS) + "\n]",
    ],
    ids=[
        "lines",
        "blank lines",
        "compact array",
        "indented array",
        "indented objects",
        "indented, blank lines",
        "array of lines",
    ],
)
def test_layouts(tmp_path, content):
    path = tmp_path / "posts.json"
    path.write_text(content, encoding="utf-8")
    posts = read_posts(path)
    assert [post.id for post in posts] == ["0", "1", "2"]
    assert all(post.words == ("a", "[x]", "\u2028") for post in posts)


def test_a_byte_order_mark_where_files_were_joined(tmp_path):
    (tmp_path / "posts.jsonl").write_text('\ufeff{"text": "a"}\n\ufeff{"text": "b"}\n', encoding="utf-8")
    with pytest.warns(UserWarning, match=r"byte order marks .* \(line 2\)"):
        assert [post.text for post in read_posts(tmp_path / "posts.jsonl")] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ('{"tokens": ["a"]}\n{"tokens": ["a"\n', 2, "invalid JSON"),
        ('{"tokens": ["a"]}\nhello\n', 2, "invalid JSON"),
        ('{"tokens": ["a"\n{"tokens": ["b"]}\n', 1, "invalid JSON"),
        ('{\n"tokens": ["a"],\n"label": ["O"\n}\n', 4, "invalid JSON"),
        ('{\n"tokens": ["a"]\n}\n{\n"tokens": 3\n}\n', 4, "list of strings"),
        ('{\n"tokens": ["a"]\n', 2, "cut off"),
        ('{"tokens": ["a"]}\n{"tokens": ["a"], "label": ["O"], "label": ["B-PER"]}\n', 2, "'label' occurs twice"),
        ('{"tokens": ["a"]}\n{"tokens": ["a"], "x": Infinity}\n', 2, "Infinity is not a finite number"),
        ('{"tokens": ["a"]}\n{"tokens": ["a"], "x": {"y": [-1e999]}}\n', 2, "-1e999 is not a finite number"),
        ('{"tokens": ["a"]}\n{"tokens": ["a"], "x\\ud83d": 1, "x\\ud83c": 2}\n', 2, "keys that differ only in surr"),
        ('[{"tokens": ["a"]},\n{"tokens": ["a"], "x\\ud83d": 1, "x\\ufffd": 2}]', 2, "keys that differ only in surr"),
        ("{'token': ['a'], 'relation': '/per/loc'}\n", 1, "Python literal"),
        ('{"tokens": ["a", None]}\n', 1, "Python literal"),
        ('{"text": "a\x0cb"}\n', 1, "Invalid control character"),
        ('{"tokens": ["a"],}\n', 1, "invalid JSON"),
        ("[]", 1, "empty"),
        ('[{"tokens": ["a"]},\n{"tokens": 3}]', 2, "list of strings"),
        ('[{"tokens": ["a"]},\n{"tokens": ["a"', 2, "invalid JSON"),
        ('[{"tokens": ["a"]}\n{"tokens": ["a"]}]', 2, "expected"),
        ('[{"tokens": ["a"]},\n', 1, "invalid JSON"),
        ('[{"tokens": ["a"]}\n', 1, "cut off"),
        ('[{"tokens": ["a"]},\n{"tokens": ["a', 2, "cut off"),
        ('[{"tokens": ["a"]}]\n{"tokens": ["b"]}', 1, "after the end"),
        ('[{"tokens": ["a"]}, 3]', 1, "JSON object"),
        ('[\n{"tokens": ' + "[" * 100000, 2, "invalid JSON"),
        ('{"tokens": ' + "[" * 100000, 1, "invalid JSON"),
    ],
)
def test_errors_name_the_line(tmp_path, content, line, found):
    path = tmp_path / "posts.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=found) as caught:
        read_posts(path)
    assert caught.value.line == line


def test_nan_is_a_missing_value():
    assert next(iter_posts(io.StringIO('{"tokens": ["a"], "caption": NaN, "x": NaN}\n'))).metadata == {"x": None}


@pytest.mark.parametrize(
    "content",
    ['{"tokens": ["a"]}\nno\n{"tokens": 1}\n{"tokens": ["b"]}\n', '[{"tokens": ["a"]},\n3,\n{},\n{"tokens": ["b"]}]'],
)
def test_bad_items_are_reported_and_the_rest_read(content):
    errors = []
    posts = list(iter_posts(io.StringIO(content), on_error=errors.append))
    assert [post.id for post in posts] == ["1", "4"]
    assert [error.line for error in errors] == [2, 3]

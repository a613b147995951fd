"""A file of one object with all posts in it is refused for what it is."""

import json

import pytest

from mner.data.readers import read_posts
from mner.errors import FormatError

POSTS = [{"tokens": ["Ana", "in"], "tags": ["B-PER", "O"]}, {"tokens": ["Riga"], "tags": ["B-LOC"]}]


def refused(path, value, message):
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    with pytest.raises(FormatError, match=rf"{path.name}, line 1: {message}"):
        read_posts(path)


@pytest.mark.parametrize("orient", ["columns", "split", "table", "index"])
def test_tables_of_pandas_are_refused_with_the_layout_that_is_read(tmp_path, orient):
    table = pytest.importorskip("pandas").DataFrame(POSTS)
    refused(tmp_path / "posts.json", table.to_json(orient=orient), '.*orient="records", lines=True')
    table.to_json(tmp_path / "posts.json", orient="records", lines=True)
    assert [[*post.tags] for post in read_posts(tmp_path / "posts.json")] == [post["tags"] for post in POSTS]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"data": POSTS}, "posts in a list under 'data'"),
        ({"train": POSTS, "test": []}, "posts in a list under 'train'"),
        ({"classes": ["PER"], "annotations": [["Ana", {"entities": [[0, 3, "PER"]]}]]}, "posts in a list under 'anno"),
        ({"1": POSTS[0], "2": POSTS[1]}, "an object of 2 posts by key"),
        ({key: [post[key] for post in POSTS] for key in POSTS[0]}, "tokens contains those of 2 posts"),
        ({"id": {"0": 5, "1": 6}, "text": {"0": "Ana", "1": "Riga"}}, "text contains those of 2 posts"),
        ([{"id": 0, "paragraphs": [{"raw": "Ana", "sentences": []}]}], "training data of spaCy 2.*spacy convert"),
    ],
)
def test_posts_within_an_object_are_refused(tmp_path, value, message):
    refused(tmp_path / "posts.json", value, message)

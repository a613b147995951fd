"""Texts about images find their posts, by image and by id."""

import json
from pathlib import Path

import pytest

from mner.data.contexts import Contexts, attach_contexts, read_contexts
from mner.errors import DatasetNotFoundError, FormatError
from mner.posts import Post


@pytest.fixture
def write(tmp_path):
    def write(*records):
        path = tmp_path / "captions.jsonl"
        path.write_text("\n".join(json.dumps(record) for record in records))
        return path

    return write


def test_by_image_and_by_id(write):
    contexts = read_contexts(
        write({"id": 7, "image_id": "33.jpg", "caption": "a dog"}, {"id": "8", "caption": "a cat"})
    )
    by_image = Post("1", ("a",), image=Path("folder/33.png"))
    by_id = Post("8", ("a",))
    neither = Post("33", ("a",))
    posts, missing = attach_contexts([by_image, by_id, neither], "caption", contexts)
    assert [dict(post.contexts) for post in posts] == [{"caption": "a dog"}, {"caption": "a cat"}, {}]
    assert missing == 1
    assert contexts.find(Post("7", ("a",))) == "a dog"


def test_the_image_decides_over_the_id():
    contexts = Contexts(by_image={"1": "of image 1"}, by_id={"2": "of post 2"})
    assert contexts.find(Post("2", ("a",), image=Path("1.jpg"))) == "of image 1"


def test_other_contexts_stay():
    post = Post("1", ("a",), contexts={"ocr": "x"})
    assert attach_contexts([post], "caption", Contexts(by_id={"1": "c"}))[0][0].contexts == {"ocr": "x", "caption": "c"}


def test_an_empty_text_is_known_but_not_attached():
    posts, missing = attach_contexts([Post("1", ("a",))], "ocr", Contexts(by_id={"1": ""}))
    assert (dict(posts[0].contexts), missing) == ({}, 0)


def test_unknown_words_are_taken_out(write):
    path = write(
        {"image_id": "1.jpg", "caption": "a picture of a <unk> <unk> on it"}, {"image_id": "2.jpg", "caption": "<unk>"}
    )
    assert read_contexts(path).by_image == {"1": "a picture of a on it", "2": ""}


@pytest.mark.parametrize(
    ("record", "key", "text"),
    [
        ({"objects": "dog, ball", "scores": [0.9, 0.8]}, None, "dog, ball"),
        ({"objects": ["dog", "ball"]}, None, "dog, ball"),
        ({"caption": "c", "model": "blip"}, None, "c"),
        ({"note": "n"}, None, "n"),
        ({"caption": "c", "ocr": "o"}, "ocr", "o"),
    ],
)
def test_where_the_text_stands(write, record, key, text):
    assert read_contexts(write({"image_id": 5, **record}), key).by_image == {"5": text}


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"image_id": "1.jpg", "caption": "other"}, "a second, different text of '1'"),
        ({"caption": "c"}, "no image_id and no id"),
        ({"image_id": 1.5, "caption": "c"}, "no image_id and no id"),
        ({"image_id": "2.jpg"}, "found none"),
        ({"image_id": "2.jpg", "caption": "c", "ocr": "o"}, "'caption', 'ocr'"),
        (["x"], "JSON object"),
    ],
)
def test_malformed(write, record, found):
    with pytest.raises(FormatError, match=found) as caught:
        read_contexts(write({"image_id": "1.jpg", "caption": "c"}, record))
    assert caught.value.line == 2


def test_a_repeated_line_is_no_error(write):
    record = {"image_id": "1.jpg", "caption": "c"}
    assert read_contexts(write(record, record)).by_image == {"1": "c"}


def test_no_file_no_text(tmp_path):
    with pytest.raises(DatasetNotFoundError):
        read_contexts(tmp_path / "none.jsonl")
    (tmp_path / "blank.jsonl").write_text("\n")
    with pytest.raises(FormatError, match="no text"):
        read_contexts(tmp_path / "blank.jsonl")

"""The record of the library."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest

from mner.errors import DataError
from mner.posts import Entity, Post


def test_a_post_keeps_what_it_is_given():
    post = Post("1", ("New", "York"), ("B-LOC", "I-LOC"), Path("1.jpg"), {"caption": "a city"}, metadata={"url": "x"})
    assert pickle.loads(pickle.dumps(post)) == post
    with pytest.raises(dataclasses.FrozenInstanceError):
        post.id = "2"


def test_a_post_may_have_no_words():
    assert Post("1", (), ()).words == ()


@pytest.mark.parametrize("given", [{"tags": ("O",)}, {"offsets": ((0, 3),)}])
def test_one_tag_and_one_offset_a_word(given):
    with pytest.raises(DataError, match=r"post '7': expected 2 (tags|offsets), one per word, got 1"):
        Post("7", ("New", "York"), **given)


@pytest.mark.parametrize("name", [1, None, b"7"])
def test_an_id_of_another_type(name):
    with pytest.raises(DataError, match=f"expected the id of a post as a string, got {name!r}; give str"):
        Post(name, ("York",))


@pytest.mark.parametrize("given", [{"words": "York"}, {"words": ("York", 3)}, {"image": 3}, {"image": b"1.jpg"}])
def test_words_and_image_of_another_type(given):
    with pytest.raises(DataError, match=r"post '7': expected (words as strings|the path of an image), got"):
        Post(**{"id": "7", "words": ("York",), **given})


def test_an_image_may_be_given_as_a_string():
    assert Post("1", (), image="1.jpg").image == Path("1.jpg")


def test_surface_comes_from_the_raw_text_where_there_is_one():
    words, offsets = ("New", "York", "!"), ((1, 4), (6, 10), (10, 11))
    assert Post("1", words).surface(0, 2) == "New York"
    assert Post("1", words, text=" New  York!", offsets=offsets).surface(0, 2) == "New  York"
    assert Post("1", words, text=" New  York!", offsets=offsets).surface(1, 3) == "York!"


@pytest.mark.parametrize("bounds", [(2, 2), (3, 1), (-1, 1), (0.0, 1.0), ("0", "1"), (0, None)])
def test_impossible_bounds_of_an_entity(bounds):
    with pytest.raises(DataError, match=r"expected the bounds of an entity as 0 <= start < end, got "):
        Entity("PER", *bounds)


def test_an_entity_compares_by_its_span_for_scorers():
    assert Entity("PER", 0, 2, "Ann Lee", 0.9, (0, 7)).span == ("PER", 0, 2)


BOX = (0.1, 0.2, 0.5, 1.0)


def test_boxes_are_kept_by_copies_and_empty_entries_are_left_out():
    post = Post("1", ("Ann", "in", "Oslo"), ("B-PER", "O", "B-LOC"), boxes={(0, 1): [BOX], (2, 3): ()})
    assert dataclasses.replace(post, image=Path("2.jpg")).boxes == post.boxes == {(0, 1): (BOX,)}
    assert Post("1", ("Ann",), ("B-PER",)).boxes is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tags": ("B-PER", "O"), "boxes": {(0, 3): (BOX,)}}, "within its 2 words, got those of 0-3"),
        ({"tags": ("B-PER", "O"), "boxes": {(1, 1): (BOX,)}}, "within its 2 words"),
        ({"tags": None, "boxes": {(0, 1): (BOX,)}}, "no entities; give tags"),
        ({"spans": ((0, 3, "PER"),), "boxes": {(0, 2): (BOX,)}}, "of one of its character spans, got those of 0-2"),
        *(
            ({"tags": ("B-PER", "O"), "boxes": boxes}, r"expected boxes of entities as {\(start, end\): \(box, ...\)}")
            for boxes in ([BOX], {0: (BOX,)}, {(0, "1"): (BOX,)}, {(0, 1): None}, {"01": (BOX,)})
        ),
        ({"tags": ("B-PER", "O"), "boxes": {(0, 1): BOX}}, "as fractions of width and height"),
        *(
            ({"tags": ("B-PER", "O"), "boxes": {(0, 1): (box,)}}, "as fractions of width and height")
            for box in (
                (10, 20, 50, 60),
                (0.5, 0.1, 0.5, 0.9),
                (0.5, 0.9, 0.9, 0.1),
                (0.1, 0.2, 0.5),
                (-0.1, 0.2, 0.5, 0.6),
                (float("nan"), 0.2, 0.5, 0.6),
                ("a", 0.2, 0.5, 0.6),
                [0.1, 0.2, 0.5, 1.0],
            )
        ),
    ],
)
def test_malformed_boxes(given, message):
    with pytest.raises(DataError, match=f"post '7': .*{message}"):
        Post("7", ("Ann", "!"), **given)

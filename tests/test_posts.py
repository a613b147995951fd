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


def test_an_entity_compares_by_its_span_for_scorers():
    assert Entity("PER", 0, 2, "Ann Lee", 0.9, (0, 7)).span == ("PER", 0, 2)

"""Predictions of other posts are refused, and the message names the first difference."""

import pytest

from mner.analysis.alignment import check_aligned
from mner.errors import AlignmentError
from mner.posts import Post
from mner.predictions import Prediction


def predictions(*posts):
    made = [Post(id, tuple(words.split()), tags and tuple(tags.split())) for id, words, tags in posts]
    return [Prediction(post, ()) for post in made]


ONE, TWO, THREE = ("1", "in Oslo", "O B-LOC"), ("2", "Ann", "B-PER"), ("3", "rain", "O")


def test_the_same_posts_pass_whatever_was_found_in_them():
    check_aligned({"a": predictions(ONE, TWO), "b": predictions(ONE, TWO), "c": predictions(ONE, TWO)})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ([ONE], r"b does not match a: at post 2, got no post, expected '2'"),
        ([ONE, TWO, THREE], r"b does not match a: at post 3, expected no further post, got '3'"),
        ([TWO, ONE], r"same posts in another order: at post 1, expected the id '1', got '2'"),
        ([ONE, THREE], r"b does not match a: at post 2, expected the id '2', got '3'"),
        ([("1", "in Rome", "O B-LOC"), TWO], r"at post 1, '1', expected word 2 to be 'Oslo', got 'Rome'"),
        ([ONE, ("2", "Ann", "B-ORG")], r"at post 2, '2', expected the gold tag of word 1 to be 'B-PER', got 'B-ORG'"),
        ([ONE, ("2", "Ann", None)], r"at post 2, '2' has gold tags in only one of the two"),
        ([ONE, ("2", "Ann B", "B-PER O")], r"at post 2, '2', expected word 2 to be None, got 'B'"),
    ],
)
def test_the_first_difference_is_named(other, message):
    with pytest.raises(AlignmentError, match=message):
        check_aligned({"a": predictions(ONE, TWO), "b": predictions(*other)})


def test_each_is_compared_with_the_first():
    with pytest.raises(AlignmentError, match=r"^c does not match a"):
        check_aligned({"a": predictions(ONE), "b": predictions(ONE), "c": predictions(TWO)})

"""Splits have their shares, and share no post and no image."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mner.data.overlap import find_overlap
from mner.data.partition import group_posts, split_posts
from mner.errors import ConfigurationError, DataError
from mner.posts import Post

WORDS = st.lists(st.sampled_from(["a", "b", "c", "dog", "cat", "sea"]), min_size=1, max_size=7).map(tuple)
IMAGES = st.sampled_from([None, Path("1.jpg"), Path("2.jpg"), Path("x/1.jpg")])


def numbered(posts):
    return [replace(post, id=str(number)) for number, post in enumerate(posts)]


@given(
    st.lists(st.builds(Post, st.just(""), WORDS, image=IMAGES), min_size=3, max_size=40).map(numbered),
    st.integers(0, 9),
)
def test_no_post_is_lost_and_splits_share_nothing(posts, seed):
    try:
        parts = split_posts(posts, (0.5, 0.25, 0.25), seed)
    except DataError:
        assert len(group_posts(posts)) < 3
        return
    assert sorted((post.id for part in parts.values() for post in part), key=int) == [post.id for post in posts]
    assert all(parts.values())
    assert all([post.id for post in part] == sorted((post.id for post in part), key=int) for part in parts.values())
    for name, part in parts.items():
        others = [post for other, each in parts.items() if other != name for post in each]
        assert not find_overlap(part, others).posts
        assert not {post.words for post in part} & {post.words for post in others}
        assert not {post.image for post in part if post.image} & {post.image for post in others if post.image}


def distinct(count):
    return [Post(str(number), (f"w{number}", f"x{number}", "is", "here")) for number in range(count)]


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.5, 0.5, 0), (0.98, 0.01, 0.01), (1 / 3, 1 / 3, 1 / 3)])
def test_shares(shares):
    parts = split_posts(distinct(300), shares, seed=3)
    assert [len(parts.get(split, ())) for split in ("train", "valid", "test")] == [round(300 * each) for each in shares]


def test_a_seed_gives_the_same_split_and_another_another():
    posts = distinct(50)
    assert split_posts(posts, seed=1) == split_posts(posts, seed=1) != split_posts(posts, seed=2)


def test_a_large_group_stays_together():
    posts = [replace(post, image=Path("1.jpg")) if int(post.id) < 30 else post for post in distinct(100)]
    parts = split_posts(posts, (0.6, 0.2, 0.2))
    assert {str(number) for number in range(30)} <= {post.id for post in parts["train"]}
    assert [len(part) for part in parts.values()] == [60, 20, 20]


@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)])
def test_shares_that_make_no_sense(shares):
    with pytest.raises(ConfigurationError, match="three shares with the sum 1"):
        split_posts(distinct(5), shares)


def test_too_few_posts():
    with pytest.raises(DataError, match="5 posts, of which 1 differ"):
        split_posts([replace(post, words=("a", "b", "c")) for post in distinct(5)])

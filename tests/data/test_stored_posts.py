"""Posts in memory-mapped files: the same posts as in memory, also in other processes."""

import pickle
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mner.data.large_sets import facts_of
from mner.data.stored_posts import ROWS, StoredPosts, store_posts
from mner.posts import Post

RAW = Post(
    "raw é",
    ("in", "Oslo", "\N{REPLACEMENT CHARACTER}"),
    ("O", "B-LOC", "O"),
    Path("/images/a b.jpg"),
    {"caption": "a dog", "ocr": "ÅØ"},
    "in  Oslo \N{REPLACEMENT CHARACTER}",
    ((0, 2), (4, 8), (9, 10)),
    {"n": 1.5, "nested": [{"a": None}]},
    ((4, 8, "LOC"),),
    True,
    {(4, 8): ((0.1, 0.2, 0.5, 1.0), (0.0, 0.0, 0.5, 0.5))},
    more_images=(Path("/images/c.jpg"),),
)
POSTS = [
    RAW,
    Post("empty", ()),
    Post("shown nowhere", ("a",), ("O",), boxes={}),
    *(Post(str(n), ("word", f"#{n}"), ("O", "B-PER"), Path(f"{n % 7}.jpg")) for n in range(2 * ROWS)),
]


def rename(post: Post, tag: str) -> Post:
    return replace(post, tags=None if post.tags is None else (tag,) * len(post.tags))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("stored")
    store_posts(iter(POSTS), folder)
    return StoredPosts(folder)


def test_every_field_is_stored():
    for field in fields(Post):
        assert getattr(RAW, field.name) != getattr(POSTS[1], field.name), f"RAW needs a value for {field.name}"


def test_they_are_the_posts(stored):
    assert list(stored) == POSTS
    assert [stored[index] for index in (0, 1, 2, ROWS - 1, ROWS, -1)] == [
        POSTS[index] for index in (0, 1, 2, ROWS - 1, ROWS, -1)
    ]
    assert list(stored[5:1:-2]) == POSTS[5:1:-2]
    with pytest.raises(IndexError):
        stored[len(POSTS)]


def test_they_are_pickled_as_a_path(stored):
    list(stored)
    pickled = pickle.dumps(stored)
    assert len(pickled) < 500
    assert list(pickle.loads(pickled)) == POSTS


def test_selections_and_changes_add_up(stored):
    posts = stored.select([4, 0, 1]).changed(partial(rename, tag="B-X")).select([1, 2])
    assert list(pickle.loads(pickle.dumps(posts))) == [rename(RAW, "B-X"), POSTS[1]]
    assert list(posts.changed(partial(rename, tag="O"))) == [rename(RAW, "O"), POSTS[1]]


def test_facts_and_images_are_those_of_the_list(stored):
    assert stored.facts == facts_of(POSTS)
    assert stored.facts.tags == ("B-LOC", "B-PER", "O")
    assert (stored.facts.unannotated, stored.facts.raw, stored.facts.contexts) == (1, 1, {"caption": 1, "ocr": 1})
    assert stored.facts.lone_marks == -2 * ROWS
    assert sorted(stored.image_paths()) == sorted({str(image) for post in POSTS for image in post.images})
    assert list(stored.select(np.array([0, 1])).image_paths()) == ["/images/a b.jpg", "/images/c.jpg"]

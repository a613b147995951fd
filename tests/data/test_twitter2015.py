"""Twitter-2015: its labels, and the counts of the real files."""

import os
from collections import Counter
from pathlib import Path

import pytest

from mner.data import Twitter2015
from mner.labels import spans


def test_labels():
    labels = Twitter2015("anywhere").labels
    assert labels == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-OTHER", "I-OTHER"]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("split", "posts", "words", "types", "loose", "strict"),
    [
        ("train", 4000, 64439, (2217, 2091, 927, 931), 6352, 6166),
        ("valid", 1000, 16178, (552, 522, 247, 220), 1594, 1541),
    ],
)
def test_counts_of_the_real_files(split, posts, words, types, loose, strict):
    data = Twitter2015(Path(os.environ["MNER_DATA"]) / "twitter2015", contexts=["caption"]).posts(split)
    tags = Counter(tag for post in data for tag in post.tags)
    assert (len(data), sum(len(post.words) for post in data)) == (posts, words)
    assert tuple(tags[f"B-{kind}"] for kind in ("PER", "LOC", "ORG", "OTHER")) == types
    assert sum(len(spans(post.tags)) for post in data) == loose
    assert sum(len(spans(post.tags, "strict")) for post in data) == strict
    assert all(post.id.isdigit() for post in data)
    assert sum("caption" not in post.contexts for post in data) == 1  # the captioner had nothing to say


@pytest.mark.realdata
def test_the_papers_sample_with_images_and_captions():
    data = Twitter2015(Path(os.environ["MNER_DATA"]) / "sample" / "twitter_2015", contexts=["caption"])
    for split in ("train", "valid", "test"):
        assert len(data.posts(split)) == 5
        assert all(post.image.is_file() and post.contexts["caption"] for post in data.posts(split))

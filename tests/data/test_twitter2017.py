"""Twitter-2017: its labels, and the counts of the real files."""

import os
from collections import Counter
from pathlib import Path

import pytest

from mner.data import Twitter2017
from mner.labels import spans


def test_labels():
    labels = Twitter2017("anywhere").labels
    assert labels == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC"]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("split", "posts", "words", "types", "entities"),
    [("train", 3373, 53007, (2943, 731, 1674, 701), 6049), ("valid", 723, 11309, (626, 173, 375, 150), 1324)],
)
def test_counts_of_the_real_files(split, posts, words, types, entities):
    data = Twitter2017(Path(os.environ["MNER_DATA"]) / "twitter2017", contexts=["caption"]).posts(split)
    tags = Counter(tag for post in data for tag in post.tags)
    assert (len(data), sum(len(post.words) for post in data)) == (posts, words)
    assert tuple(tags[f"B-{kind}"] for kind in ("PER", "LOC", "ORG", "MISC")) == types
    for convention in ("conlleval", "strict"):
        assert sum(len(spans(post.tags, convention)) for post in data) == entities
    assert all(post.contexts["caption"] for post in data)


@pytest.mark.realdata
def test_the_papers_sample_with_images_and_captions():
    data = Twitter2017(Path(os.environ["MNER_DATA"]) / "sample" / "twitter_2017", contexts=["caption"])
    for split in ("train", "valid", "test"):
        assert len(data.posts(split)) == 5
        assert all(post.image.is_file() and post.contexts["caption"] for post in data.posts(split))

"""Breakdowns, against cases by hand and the known counts of the published files."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mner.analysis.breakdowns import TrainedMentions, by_image, by_length, by_mention, posts_of
from mner.analysis.counts import Score, count_entities
from mner.errors import DataError, LabelError
from mner.labels import spans
from mner.posts import Entity, Post
from mner.predictions import Prediction


def post(text, tags, **more):
    return Post(text, tuple(text.split()), None if tags is None else tuple(tags.split()), **more)


TRAIN = [
    post("Jordan plays in Jordan", "B-PER O O B-LOC"),
    post("New York and Ann", "B-LOC I-LOC O B-PER"),
    post("ANN in Rome", "B-PER O I-LOC"),
]
TRAINED = TrainedMentions(TRAIN)


def test_strings_and_their_types():
    assert TRAINED.types_of == {
        "jordan": {"PER", "LOC"}, "new york": {"LOC"}, "ann": {"PER"}, "rome": {"LOC"},
    }  # fmt: skip
    assert TRAINED.ambiguous == ["jordan"]


@pytest.mark.parametrize(
    ("surface", "type_", "groups"),
    [
        ("jordan", "PER", ("seen", "multi-type")),
        ("jordan", "ORG", ("unseen", "multi-type")),
        ("ann", "PER", ("seen", "single-type")),
        ("ann", "LOC", ("unseen",)),  # trained with one other type alone
        ("oslo", "LOC", ("unseen",)),
    ],
)
def test_groups(surface, type_, groups):
    assert TRAINED.groups(surface, type_) == groups


def test_precision_by_the_string_found_and_recall_by_the_string_wanted():
    said = Prediction(
        post("jordan met ann in oslo", "B-LOC O B-PER O B-LOC"),
        (Entity("PER", 0, 1), Entity("PER", 2, 3), Entity("LOC", 4, 5), Entity("LOC", 1, 2)),
    )
    assert by_mention([said], TRAINED) == {
        "seen": Score.of(1, 2, 2),  # wanted jordan and ann, found jordan (wrong) and ann
        "unseen": Score.of(1, 2, 1),  # wanted oslo, found oslo and met
        "multi-type": Score.of(0, 1, 1),
        "single-type": Score.of(1, 1, 1),
    }


def random_predictions(count, seed=0):
    random = np.random.default_rng(seed)
    labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    made = []
    for index in range(count):
        words = tuple(random.choice(["a", "b", "c", "d"], random.integers(1, 30)))
        gold, said = (tuple(random.choice(labels, len(words))) for _ in range(2))
        image = Path("a.jpg") if random.random() < 0.5 else None
        made.append(Prediction(Post(str(index), words, gold, image), tuple(spans(said))))
    return made


def test_the_groups_share_out_all_entities():
    predictions = random_predictions(100)
    total = count_entities(predictions).score()
    trained = TrainedMentions(each.post for each in random_predictions(10, seed=1))
    mentions = by_mention(predictions, trained)
    lengths, images = by_length(predictions), by_image(predictions)
    for parts in ([mentions["seen"], mentions["unseen"]], lengths.values(), images.values()):
        assert sum(part.support for part in parts) == total.support
        assert sum(part.predicted for part in parts) == total.predicted
    assert mentions["multi-type"].support + mentions["single-type"].support <= total.support


def test_lengths():
    predictions = random_predictions(100)
    expected = Counter(
        "0-9" if n < 10 else "10-14" if n < 15 else "15-19" if n < 20 else "20-24" if n < 25 else "25+"
        for n in (len(each.post.words) for each in predictions)
    )
    assert posts_of(predictions) == expected
    short = [each for each in predictions if len(each.post.words) < 3]
    assert by_length(predictions, (0, 3, float("inf")))["0-2"] == count_entities(short).score()
    with pytest.raises(DataError, match="none of the bins 0-2"):
        by_length(predictions, (0, 3))


def test_a_training_file_that_does_not_fit_is_refused():
    with pytest.raises(DataError, match="'a' has no tags"):
        TrainedMentions([post("a", None)])
    with pytest.raises(DataError, match="expected training posts, got none"):
        TrainedMentions([])
    TRAINED.check_types([Prediction(TRAIN[0], ())])
    with pytest.raises(LabelError, match="LOC, PER, the scored posts have MISC"):
        TRAINED.check_types([Prediction(post("x", "B-MISC"), ())])
    with pytest.raises(LabelError, match="LOC, PER, the scored posts have MISC"):
        TRAINED.check_types([Prediction(post("x", "O"), (Entity("MISC", 0, 1),))])


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "ambiguous", "strings"), [("twitter2015", 87, 4808), ("twitter2017", 59, 3301)])
def test_the_strings_of_the_published_files(name, ambiguous, strings):
    trained = TrainedMentions(real_posts(name, "train"))
    assert (len(trained.ambiguous), len(trained.types_of)) == (ambiguous, strings)


@pytest.mark.realdata
def test_the_published_seen_and_unseen():
    trained = TrainedMentions(real_posts("twitter2017", "train"))
    predictions = [Prediction(each, ()) for each in real_posts("twitter2017", "valid")]
    trained.check_types(predictions)
    scores = by_mention(predictions, trained)
    assert (scores["seen"].support, scores["unseen"].support) == (716, 608)


def real_posts(name, split):
    from mner.data import read_posts

    return read_posts(Path(os.environ["MNER_DATA"], name, f"{split}.txt"))

"""Counts a post, against seqeval, the metric that training logs, and counts by hand."""

import numpy as np
import pytest
import torch

from mner.analysis.counts import Score, count_entities
from mner.errors import DataError
from mner.labels import labels_for, spans
from mner.metrics import EntityF1
from mner.posts import Entity, Post
from mner.predictions import Prediction

LABELS = labels_for(["LOC", "ORG", "PER"])


def random_tags(posts, seed=0):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 12, posts)
    return [[tuple(random.choice(LABELS, length)) for length in lengths] for _ in range(2)]


def predictions_of(gold, found):
    return [
        Prediction(Post(str(index), ("word",) * len(tags), tags), tuple(spans(said)))
        for index, (tags, said) in enumerate(zip(gold, found, strict=True))
    ]


def test_scores_are_those_of_seqeval_and_of_the_metric():
    from seqeval.metrics import classification_report

    gold, found = random_tags(300)
    counts = count_entities(predictions_of(gold, found))
    peer = classification_report([*map(list, gold)], [*map(list, found)], output_dict=True, zero_division=0)
    for name, score in [*counts.scores_by_type().items(), ("micro avg", counts.score())]:
        assert score.f1 == pytest.approx(peer[name]["f1-score"])
        assert (score.precision, score.recall) == pytest.approx((peer[name]["precision"], peer[name]["recall"]))
        assert score.support == peer[name]["support"]
    metric = EntityF1(LABELS)
    for true, said in zip(gold, found, strict=True):
        ours, theirs = (torch.tensor([[LABELS.index(tag) for tag in tags]]) for tags in (said, true))
        metric.update(ours, theirs, torch.ones_like(ours, dtype=torch.bool))
    assert metric.compute()["f1"].item() == pytest.approx(counts.score().f1)


def test_each_post_has_its_own_row():
    gold = [("B-PER", "O"), ("O", "I-LOC"), ("O", "O")]
    found = [("B-PER", "O"), ("B-PER", "B-LOC"), ("B-ORG", "O")]
    counts = count_entities(predictions_of(gold, found), types=("PER", "LOC", "ORG"))
    assert counts.of_posts().tolist() == [[1, 1, 1], [1, 2, 1], [0, 1, 0]]
    assert counts.correct.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert counts.predicted.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert counts.gold.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_nothing_found_and_nothing_wanted_score_0():
    assert Score.of(0, 0, 0) == Score(0.0, 0.0, 0.0, 0, 0)
    assert count_entities([]).score().f1 == 0


def test_posts_without_tags_and_unknown_types_are_refused():
    with pytest.raises(DataError, match="post '7' has no gold tags"):
        count_entities([Prediction(Post("7", ("a",)), ())])
    odd = Prediction(Post("8", ("a",), ("O",)), (Entity("MISC", 0, 1),))
    with pytest.raises(DataError, match="post '8' has the type 'MISC', which is not one of"):
        count_entities([odd], types=["PER"])

"""seqeval's report on predictions has the numbers of our own metric."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mner.errors import DataError
from mner.labels import labels_for, spans
from mner.metrics import EntityF1, seqeval_report
from mner.posts import Entity, Post
from mner.predictions import Prediction

LABELS = labels_for(["PER", "LOC"])
ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=9)


@settings(deadline=None, max_examples=40)
@given(st.lists(ROWS, min_size=1, max_size=6))
def test_it_is_what_our_metric_counts(rows):
    metric = EntityF1(LABELS)
    predictions = []
    for index, row in enumerate(rows):
        preds, target = torch.tensor(row).t()
        metric.update(preds[None], target[None], torch.ones(1, len(row), dtype=torch.bool))
        words, gold = tuple("w" * len(row)), tuple(LABELS[tag] for tag in target)
        predictions.append(Prediction(Post(str(index), words, gold), tuple(spans([LABELS[tag] for tag in preds]))))
    scores = metric.compute()
    lines = {
        line.rsplit(None, 4)[0].strip(): line.split()[-4:]
        for line in seqeval_report(predictions).splitlines()[2:]
        if line
    }
    for name, suffix in (("PER", "_PER"), ("LOC", "_LOC"), ("micro avg", "")):
        if name in lines:
            expected = [scores[f"{kind}{suffix}"].item() for kind in ("precision", "recall", "f1", "support")]
            assert [float(cell) for cell in lines[name]] == pytest.approx(expected, abs=5.1e-5)


def test_nothing_gold_and_nothing_predicted():
    assert seqeval_report([Prediction(Post("1", ("a",), ("O",)), ())]).startswith("no gold and no predicted")


def test_posts_without_gold_tags_are_refused():
    with pytest.raises(DataError, match="post '1' has no gold tags"):
        seqeval_report([Prediction(Post("1", ("a",)), (Entity("PER", 0, 1),))])

import json

import pytest

pytest.importorskip("statsmodels")

from mner.analysis.costs import costs
from mner.analysis.counts import count_entities
from mner.analysis.report import make_report
from mner.analysis.report_sections import sections
from mner.analysis.results import Result
from mner.analysis.systems import Run
from mner.posts import Post
from mner.predictions import Prediction, write_predictions

POSTS = [Post(f"{index}", ("Oslo",), ("B-LOC",)) for index in range(4)]


def predictions(*seconds):
    scores = [
        {"seconds": each, "prompt_tokens": 100.0, "answer_tokens": 10.0, "unusable": float(each > 3)}
        for each in seconds
    ]
    return [Prediction(post, (), each) for post, each in zip(POSTS, scores, strict=True)]


def run(found):
    return Run(Result("a", "b"), found, count_entities(found), {})


def test_means_over_posts_and_seeds():
    (row,) = costs([run(predictions(1, 2, 3, 4)), run(predictions(5, 6, 7, 8))])
    assert row == {"seconds": 4.5, "prompt_tokens": 100, "answer_tokens": 10, "unusable": pytest.approx(5 / 8)}
    assert costs([run([Prediction(post, (), {"relation": 0.5}) for post in POSTS])]) == []


def test_the_report_has_them(tmp_path):
    write_predictions(predictions(1, 2, 3, 4), tmp_path / "prompted.jsonl")
    results = [Result("prompted", "data", predictions=tmp_path / "prompted.jsonl")]
    for seed in (1, 2):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        write_predictions([Prediction(post, ()) for post in POSTS], folder / "predictions.jsonl")
        timing = {"train_seconds": 100 * seed, "seconds_per_post": 0.02}
        (folder / "timing.json").write_text(json.dumps(timing), encoding="utf-8")
        results.insert(0, Result("trained", "data", seed=seed, predictions=folder / "predictions.jsonl"))
    (tmp_path / "2" / "timing.json").write_text('{"train_seconds": NaN}', encoding="utf-8")  # damaged
    report = make_report(results, rounds=10)
    (section,) = [part for part in sections(report, []) if part.title == "Cost per post"]
    columns = ["model", "seconds", "prompt tokens", "answer tokens", "unusable answers", "training seconds"]
    assert section.tables[0][columns].to_numpy().tolist() == [
        ["trained", "0.02", "", "", "", "100"],
        ["prompted", "2.5", "100", "10", "25.0", ""],
    ]

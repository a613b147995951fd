"""Grounded entities in reports: counts equal the metric's, and differences are tested as those of F1."""

from dataclasses import replace

import numpy as np
import pytest
from experiment_results import make_posts, make_predictions

pytest.importorskip("statsmodels")
pytest.importorskip("matplotlib")

from mner.analysis.alignment import check_aligned
from mner.analysis.figures import make_figures
from mner.analysis.grounding import MEASURES, OUTCOMES, count_grounding, count_outcomes
from mner.analysis.report import make_report
from mner.analysis.report_sections import sections
from mner.analysis.report_summary import summary
from mner.analysis.results import Result
from mner.analysis.significance import Resampling, compare
from mner.errors import AlignmentError
from mner.labels import spans
from mner.metrics import GroundedF1
from mner.predictions import Prediction, write_predictions

LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def posts():
    """Every other post shows its entity, on the left; one in ten has no gold boxes."""
    boxes = [{(each.start, each.end): (LEFT,) for each in spans(post.tags)} for post in make_posts(100)]
    return [
        replace(post, boxes=None if index % 10 == 9 else shown if index % 2 else {})
        for index, (post, shown) in enumerate(zip(make_posts(100), boxes, strict=True))
    ]


def predict(posts, accuracy, seed=0):
    """Entities whose box is correct with a probability, else the other half of the image."""
    draw = np.random.default_rng(seed)

    def box(post):
        gold = next(iter(post.boxes.values()), ()) if post.boxes else ()
        return gold if draw.random() < accuracy else (RIGHT,)

    return [
        Prediction(each.post, tuple(replace(entity, boxes=box(each.post)) for entity in each.entities))
        for each in make_predictions(posts, 0.8, seed)
    ]


def test_counts_are_those_of_the_metric(posts):
    predictions = predict(posts, 0.5)
    metric = GroundedF1()
    metric.update([each.entities for each in predictions], [each.post for each in predictions])
    scores = metric.compute()
    counts = count_grounding(predictions)
    assert tuple(counts) == MEASURES
    for name, each in counts.items():
        assert each.of_posts().shape == (100, 3)
        assert each.of_posts()[9].tolist() == [0, 0, 0]
        for part in ("precision", "recall", "f1"):
            assert getattr(each.score(), part) == pytest.approx(scores[f"{name}_{part}"].item())


def test_outcomes_by_type_sum_to_the_counts_of_all_types(posts):
    predictions = predict(posts, 0.5)
    outcomes = count_outcomes(predictions).values()
    correct, wrong_box, wrong_entity = (sum(each[name] for each in outcomes) for name in OUTCOMES)
    counts = count_grounding(predictions)
    assert correct == counts["gmner"].correct.sum()
    assert correct + wrong_box == counts["mner"].correct.sum()
    assert correct + wrong_box + wrong_entity == counts["gmner"].gold.sum()
    assert min(correct, wrong_box, wrong_entity) > 0


def test_without_boxes_there_are_no_counts(posts):
    assert count_grounding(make_predictions(posts, 0.8, 0)) == {}
    assert count_grounding(predict([replace(post, boxes=None) for post in posts], 0.5)) == {}


def test_gold_boxes_must_be_the_same(posts):
    mine, other = (make_predictions(each, 1, 0) for each in (posts, [replace(posts[0], boxes=None), *posts[1:]]))
    with pytest.raises(AlignmentError, match="'0' has gold boxes in only one of the two"):
        check_aligned({"a": mine, "b": other})


@pytest.fixture(scope="module")
def report(posts, tmp_path_factory):
    """Two seeds of a text model, of a good pointer with an ablation, and of a bad one."""
    results, folder = [], tmp_path_factory.mktemp("grounding")
    for name, accuracy in (("text", None), ("largest box", 0.2), ("pointer", 0.9)):
        for seed in (1, 2):
            paths = {None: folder / f"{name}.{seed}.jsonl", "shuffled_images": folder / f"{name}.{seed}.s.jsonl"}
            for ablation, path in paths.items():
                if accuracy is None:
                    made = make_predictions(posts, 0.8, seed)
                else:
                    made = predict(posts, 0.1 if ablation else accuracy, seed)
                write_predictions(made, path)
            ablations = {"shuffled_images": paths["shuffled_images"]} if name == "pointer" else {}
            metrics = {"region_coverage": 0.75} if accuracy else {}
            results.append(Result(name, "demo", seed, metrics=metrics, predictions=paths[None], ablations=ablations))
    return make_report(results, rounds=200)


def test_grounded_scores_are_compared(posts, report):
    first, second = report["grounding"]
    assert (first["model"], second["model"]) == ("largest box", "pointer")
    (row,) = report["grounding_comparisons"]  # the text model, the baseline otherwise, has no boxes
    assert (row["model"], row["baseline"]) == ("pointer", "largest box")
    both = [[count_grounding(predict(posts, part, seed))["gmner"] for seed in (1, 2)] for part in (0.9, 0.2)]
    expected = compare(*both, Resampling(100, 200))
    assert (row["difference"], row["p"]) == (pytest.approx(expected.difference), expected.p_value)
    assert row["difference"] == pytest.approx(second["f1"]["mean"] - first["f1"]["mean"])
    assert row["significant"]
    (ablation,) = report["grounding_ablations"]
    assert ablation["real"]["mean"] == pytest.approx(second["f1"]["mean"])
    assert ablation["difference"] > 0.3
    assert (second["coverage"]["mean"], second["support"]) == (0.75, 90)


def test_the_report_has_a_section_of_grounding(report):
    (section,) = [part for part in sections(report, []) if part.title == "Grounding"]
    scores, differences, ablations, outcomes = section.tables
    assert scores["model"].tolist() == ["largest box", "pointer"]
    assert scores["coverage"].tolist() == ["75.00 ± 0.00"] * 2
    assert (len(differences), len(ablations)) == (1, 1)
    assert outcomes.columns.tolist() == ["data", "model", "type", "correct", "wrong box", "wrong entity"]
    assert len(outcomes) == 4
    assert any("GMNER F1 above “largest box” on demo" in sentence for sentence in summary(report))
    assert any("With shuffled images, “pointer” loses" in sentence for sentence in summary(report))


def test_the_figure_shows_the_outcomes(report):
    axis = make_figures(report)["grounding_demo"].axes[0]
    rows = report["grounding_outcomes"]
    assert [label.get_text() for label in axis.get_yticklabels()] == [f"{row['model']}: {row['type']}" for row in rows]
    for name, bars in zip(OUTCOMES, axis.containers, strict=True):
        totals = [sum(row[each] for each in OUTCOMES) for row in rows]
        expected = [100 * row[name] / total for row, total in zip(rows, totals, strict=True)]
        assert [bar.get_width() for bar in bars] == pytest.approx(expected)


def test_without_boxes_there_is_no_such_section(posts, tmp_path):
    write_predictions(make_predictions(posts, 0.8, 0), tmp_path / "predictions.jsonl")
    report = make_report([Result("text", "demo", predictions=tmp_path / "predictions.jsonl")], rounds=50)
    assert "Grounding" not in [part.title for part in sections(report, [])]

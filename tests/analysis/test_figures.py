"""Figures show the report's numbers."""

import pytest
from experiment_results import make_posts, write_experiment

pytest.importorskip("matplotlib")
pytest.importorskip("statsmodels")

from mner.analysis.figures import FEW, MARKERS, make_figures
from mner.analysis.report import make_report


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    accuracies = {"1.0_bert_crf": 0.6, "3.0_captions": 0.9}
    folder = tmp_path_factory.mktemp("experiment")
    ablations = {"3.0_captions": {"blank_captions": 0.6}}
    results = write_experiment(folder, accuracies, make_posts(120), fractions=(0.25, 1.0), ablations=ablations)
    return make_report(results, rounds=200)


@pytest.fixture(scope="module")
def figures(report):
    return make_figures(report)


def test_there_is_a_figure_for_everything(figures):
    names = ["differences", "learning_curve_twitter2017", "lengths_twitter2017", "calibration_twitter2017"]
    assert list(figures) == names


def test_a_learning_curve_goes_through_the_means(report, figures):
    upper, lower = figures["learning_curve_twitter2017"].axes
    for line in upper.lines:
        rows = sorted(
            (row for row in report["scores"] if row["model"] == line.get_label()), key=lambda row: row["fraction"]
        )
        assert line.get_xdata().tolist() == [250, 1000]
        assert line.get_ydata().tolist() == pytest.approx([100 * row["f1"]["mean"] for row in rows])
    assert "1.0_bert_crf" in lower.get_ylabel()


def test_differences_are_those_of_the_largest_size_and_of_controls(report, figures):
    axis = figures["differences"].axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert sorted(labels) == [
        "twitter2017: 3.0_captions against 1.0_bert_crf",
        "twitter2017: 3.0_captions against itself, blank captions",
    ]


def test_bars_count_the_posts(figures):
    _, lower = figures["lengths_twitter2017"].axes
    assert sum(bar.get_height() for bar in lower.patches) == 120


def test_one_model_at_one_size_has_neither_curve_nor_differences(tmp_path):
    results = write_experiment(tmp_path, {"a": 0.8}, make_posts(50), seeds=(1,))
    figures = make_figures(make_report(results, rounds=50))
    assert list(figures) == ["lengths_twitter2017", "calibration_twitter2017"]
    assert figures["lengths_twitter2017"].axes[0].get_title() == "twitter2017: F1 by sentence length"  # of one seed


def test_a_bin_of_few_entities_is_hollow(report, figures):
    lines = [line for line in figures["calibration_twitter2017"].axes[0].lines if line.get_linestyle() == "None"]
    few = [each for row in report["calibration"] for each in row["bins"] if each["count"] < FEW]
    assert sum(len(line.get_xdata()) for line in lines) == len(few)
    assert {line.get_markerfacecolor() for line in lines} == {"white"}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    accuracies = {f"model_{place:02}": 0.5 + 0.03 * place for place in range(12)}
    folder = tmp_path_factory.mktemp("many")
    results = write_experiment(folder, accuracies, make_posts(60), seeds=(1,), fractions=(0.25, 0.3, 1.0))
    return make_figures(make_report(results, rounds=50))


def test_bars_of_many_models_stay_within_their_bin(many):
    bars = many["calibration_twitter2017"].axes[1].patches
    assert len({round(bar.get_x() + bar.get_width() / 2, 6) for bar in bars}) == len(bars)
    assert all(bar.get_x() // 10 == (bar.get_x() + bar.get_width()) // 10 for bar in bars)


def test_points_of_many_models_stay_at_their_place(many):
    points = [x for line in many["lengths_twitter2017"].axes[0].lines for x in line.get_xdata()]
    assert max(abs(x - round(x)) for x in points) < 0.4
    curves = [line.get_xdata() for line in many["learning_curve_twitter2017"].axes[1].lines]
    curves = [line for line in curves if len(line) == 3]
    assert max(line[0] for line in curves) < min(line[1] for line in curves)


@pytest.mark.parametrize("name", ["lengths", "calibration", "learning_curve"])
def test_many_models_are_told_apart(many, name):
    figure = many[f"{name}_twitter2017"]
    axis = figure.axes[0]
    styles = {(line.get_color(), line.get_marker()) for line in axis.lines if line.get_marker() in MARKERS}
    assert len(styles) == len(axis.get_legend().get_texts()) - (name == "calibration") == 12
    figure.canvas.draw()
    assert axis.get_legend().get_window_extent().x0 >= axis.get_window_extent().x1  # next to the lines
    assert axis.get_window_extent().width > 400

"""A report's numbers equal seqeval's and hand counts, and it makes do with what there is."""

import json
from dataclasses import replace

import pytest
from experiment_results import make_posts, write_experiment
from seqeval.metrics import f1_score
from seqeval.metrics.sequence_labeling import get_entities

pytest.importorskip("statsmodels")
pytest.importorskip("matplotlib")

from mner.analysis.breakdowns import GROUPS, TrainedMentions, by_mention
from mner.analysis.published import read_published
from mner.analysis.report import make_report
from mner.analysis.report_sections import sections
from mner.analysis.report_summary import summary
from mner.errors import AlignmentError, DataError, ExperimentError, LabelError
from mner.labels import tags_of
from mner.posts import Post
from mner.predictions import read_predictions, write_predictions
from mner.subsets import fraction

ROUNDS = 300


@pytest.fixture(scope="module")
def posts():
    return make_posts(150)


@pytest.fixture
def results(tmp_path, posts):
    accuracies = {"1.0_bert_crf": 0.6, "3.0_captions": 0.9}
    return write_experiment(tmp_path, accuracies, posts, ablations={"3.0_captions": {"shuffled_captions": 0.5}})


def test_scores_are_seqevals(results, posts):
    report = make_report(results, rounds=ROUNDS)
    gold = [list(post.tags) for post in posts]
    for row in report["scores"]:
        of_seeds = [
            f1_score(
                gold, [tags_of(each.entities, len(each.post.words)) for each in read_predictions(result.predictions)]
            )
            for result in results
            if result.model == row["model"]
        ]
        assert row["f1"]["mean"] == pytest.approx(sum(of_seeds) / 2)
        assert row["f1"]["low"] < row["f1"]["mean"] < row["f1"]["high"]
        assert (row["seeds"], row["split"], row["train_posts"]) == ([1, 2], "valid", 1000)
    assert report["scores"][0]["published"] is None


def test_published_scores_are_those_of_the_full_names(results):
    report = make_report(
        results, {"twitter2017": make_posts(40, seed=1)}, rounds=50, published=read_published("chen2020")
    )
    first, second = report["scores"]
    assert first["published"] == {"split": "test", "precision": 83.62, "recall": 87.33, "f1": 85.44}
    assert second["published"] is None  # 3.0_captions, which only begins like the paper's 3.0_bert_crf_captions
    groups = {row["group"]: row["published"] for row in report["mentions"] if row["model"] == first["model"]}
    assert groups == {"seen": 93.76, "unseen": 76.49, "multi-type": None, "single-type": None}
    scores, *_ = sections(report, [])
    assert scores.tables[0]["published"].tolist() == ["83.62 / 87.33 / 85.44 (test)", ""]


def test_a_large_difference_is_significant_and_said(results):
    report = make_report(results, rounds=ROUNDS)
    (row,) = report["comparisons"]
    ours, theirs = (score["f1"]["mean"] for score in reversed(report["scores"]))
    assert row["difference"] == pytest.approx(ours - theirs)
    assert row["significant"]
    (ablation,) = report["ablations"]
    assert ablation["real"]["mean"] == pytest.approx(ours)
    first, second = summary(report)
    assert first.startswith(
        f"“3.0_captions” is {100 * row['difference']:.2f} F1 above “1.0_bert_crf” on twitter2017: 95% int"
    )
    assert first.endswith("p = 0.003, significant.")
    assert second.startswith(f"With shuffled captions, “3.0_captions” loses {100 * ablation['difference']:.2f} F1")
    ablation.update(difference=-0.02, low=-0.05, high=0.01)
    assert "gains 2.00 F1 on twitter2017: 95% interval -1.00 to +5.00, p " in summary(report)[1]


def test_equal_systems_do_not_differ(tmp_path, posts):
    results = write_experiment(tmp_path, {"a": 0.7, "b": 0.7}, posts)
    same = [*results[:2], *(replace(result, model="b") for result in results[:2])]
    (row,) = make_report(same, rounds=ROUNDS)["comparisons"]
    assert (row["difference"], row["p"], row["significant"]) == (0, 1, False)


def test_breakdowns_add_up(results, posts):
    report = make_report(results, {"twitter2017": make_posts(40, seed=1)}, rounds=ROUNDS)
    entities = len(posts)
    for model in ("1.0_bert_crf", "3.0_captions"):
        of = {name: [row for row in rows if row.get("model") == model] for name, rows in report.items()}
        assert sum(row["support"] for row in of["types"]) == entities
        assert sum(row["support"] for row in of["lengths"]) == entities
        assert sum(row["support"] for row in of["images"]) == entities
        assert sum(row["posts"] for row in of["lengths"]) == len(posts)
        support = {row["group"]: row["support"] for row in of["mentions"]}
        assert tuple(support) == GROUPS
        assert support["seen"] + support["unseen"] == entities
        (errors,) = of["errors"]
        assert errors["correct"] + errors["wrong_type"] == entities
        (calibration,) = of["calibration"]
        assert sum(each["count"] for each in calibration["bins"]) == 2 * entities


def test_seen_entities_are_those_of_the_fraction_that_each_seed_was_trained_on(tmp_path, posts):
    train = make_posts(30, seed=1)
    results = write_experiment(tmp_path, {"a": 0.8}, posts, fractions=(0.1,), seeds=(1, 2, 3))
    rows = make_report(results, {"twitter2017": train}, rounds=50)["mentions"]
    expected = []
    for result in results:
        trained = TrainedMentions(fraction(train, 0.1, result.seed))
        assert len(fraction(train, 0.1, result.seed)) == 3
        expected.append(by_mention(read_predictions(result.predictions), trained))
    for row in rows:
        scores = [each[row["group"]] for each in expected]
        assert row["f1"]["mean"] == pytest.approx(sum(score.f1 for score in scores) / 3)
        assert row["support"] == pytest.approx(sum(score.support for score in scores) / 3)
    assert len({each["seen"].support for each in expected}) > 1  # seeds saw different entities
    whole = by_mention(read_predictions(results[0].predictions), TrainedMentions(train))
    assert rows[0]["support"] < whole["seen"].support


def test_training_sizes_and_what_is_missing(tmp_path, posts):
    results = write_experiment(tmp_path, {"a": 0.5, "b": 0.8}, posts, fractions=(0.1, 1.0))
    failed = replace(results[-1], status="failed", error="out of memory", predictions=None)
    report = make_report([*results[:-1], failed], rounds=ROUNDS)
    assert [(row["model"], row["fraction"]) for row in report["scores"]] == [
        ("a", 1.0),
        ("b", 1.0),
        ("a", 0.1),
        ("b", 0.1),
    ]
    assert [row["fraction"] for row in report["comparisons"]] == [1.0, 0.1]
    assert all(row["fraction"] == 1 for row in report["types"])
    assert report["incomplete"] == [{"data": "twitter2017", "model": "b", "fraction": 1.0, "seeds": [2]}]
    assert [row["error"] for row in report["failed"]] == ["out of memory"]
    titles = [part.title for part in sections(report, ["learning_curve_twitter2017"])]
    assert "Training size" in titles
    assert "Ablation of images and captions" not in titles
    assert "Seen and ambiguous entities" not in titles
    assert len(summary(report)) == 1  # of the largest training size alone


def test_one_model_with_one_seed(tmp_path, posts):
    report = make_report(write_experiment(tmp_path, {"a": 0.8}, posts, seeds=(7,)), rounds=ROUNDS)
    assert report["comparisons"] == report["ablations"] == []
    (sentence,) = summary(report)
    assert sentence == f"“a” reaches {100 * report['scores'][0]['f1']['mean']:.2f} F1 on twitter2017."
    assert json.loads(json.dumps(report))["scores"] == report["scores"]
    (kinds,) = next(part.tables for part in sections(report, []) if part.title == "Kinds of errors")
    assert kinds["correct"].str.fullmatch(r"\d+").all()  # no means of one seed
    told = " ".join(part.text for part in sections(report, []))
    assert "one training per model" in told
    assert not [words for words in ("±", "over seeds", "several seeds", "and seeds", "Published") if words in told]


def test_nobody_has_confidences(tmp_path, posts):
    results = write_experiment(tmp_path, {"a": 0.8}, posts, seeds=(1,))
    bare = [
        replace(each, entities=tuple(replace(entity, confidence=None) for entity in each.entities))
        for each in read_predictions(results[0].predictions)
    ]
    write_predictions(bare, results[0].predictions)
    assert not make_report(results, rounds=ROUNDS).get("calibration")


def test_what_does_not_fit_is_refused(tmp_path, results, posts):
    with pytest.raises(ExperimentError, match=r"no model is called 'c'.*1\.0_bert_crf, 3\.0_captions"):
        make_report(results, baseline="c", rounds=ROUNDS)
    with pytest.raises(ExperimentError, match="is given twice"):
        make_report([*results, results[0]], rounds=ROUNDS)
    with pytest.raises(ExperimentError, match="no result is finished"):
        make_report([replace(results[0], status="failed")], rounds=ROUNDS)
    with pytest.raises(DataError, match="training file is given for snapchat"):
        make_report(results, {"snapchat": posts}, rounds=ROUNDS)
    with pytest.raises(LabelError, match="training file"):
        make_report(results, {"twitter2017": [Post("1", ("a",), ("B-FILM",))]}, rounds=ROUNDS)
    write_predictions(read_predictions(results[-1].predictions)[:-1], results[-1].predictions)
    with pytest.raises(AlignmentError, match=r"3.0_captions on twitter2017 .*seed 2\).*'149'"):
        make_report(results, rounds=ROUNDS)


def test_the_tables_are_of_the_size_that_most_models_have(tmp_path, posts):
    results = write_experiment(tmp_path, {"1.0_a": 0.5, "3.0_b": 0.8}, posts, fractions=(0.1, 1.0))
    report = make_report(
        [result for result in results if result.model == "1.0_a" or result.fraction < 1], rounds=ROUNDS
    )
    assert {(row["model"], row["fraction"]) for row in report["types"]} == {("1.0_a", 0.1), ("3.0_b", 0.1)}
    assert [row["fraction"] for row in report["scores"]] == [1, 0.1, 0.1]
    (sentence,) = summary(report)
    assert "on twitter2017 with 10% of the training posts" in sentence
    assert [(row["model"], row["fraction"], row["seeds"]) for row in report["incomplete"]] == [("3.0_b", 1, [1, 2])]


def test_the_baseline_is_the_first_model_whatever_became_of_it(tmp_path, posts):
    results = write_experiment(tmp_path, {"a": 0.5, "b": 0.8}, posts)
    elsewhere = write_experiment(tmp_path / "more", {"b": 0.6}, posts, data="snapchat")
    report = make_report([*results, *elsewhere], rounds=ROUNDS)
    assert [(row["data"], row["baseline"]) for row in report["comparisons"]] == [("twitter2017", "a")]
    (table,) = next(part for part in sections(report, []) if part.title == "F1 by data set").tables
    f1 = next(row["f1"] for row in report["scores"] if row["data"] == "snapchat")
    assert table.columns.tolist() == ["model", "twitter2017 valid", "snapchat valid"]
    assert table["model"].tolist() == ["a", "b"]
    assert table["snapchat valid"].tolist() == ["", f"{100 * f1['mean']:.2f} ± {100 * f1['deviation']:.2f}"]
    assert report["incomplete"] == [{"data": "snapchat", "model": "a", "fraction": 1.0, "seeds": [1, 2]}]


def test_a_model_that_saw_no_image_has_no_ablation_of_images(tmp_path, posts):
    ablations = {"1.3_cam": {"shuffled_images": 0.6, "shuffled_captions": 0.5}}
    results = write_experiment(tmp_path, {"1.0_bert_crf": 0.6, "1.3_cam": 0.6}, posts, ablations=ablations)
    counted = {1: {"named": 100, "used": 90}, 2: {"named": 100, "used": 0}}

    def report_of(counts):
        return make_report(
            [replace(each, images=counts[each.seed] if each.model == "1.3_cam" else None) for each in results],
            rounds=ROUNDS,
        )

    seen = report_of({seed: {"named": 1234, "used": 1000} for seed in counted})
    assert [row["ablation"] for row in seen["ablations"]] == ["shuffled_images", "shuffled_captions"]
    assert "“1.3_cam” used 1,000 of the 1,234 images on twitter2017." in summary(seen)
    assert [row["seeds"] for row in report_of(counted)["ablations"]] == [1, 2]
    blind = report_of({seed: {"named": 100, "used": 0} for seed in counted})
    assert [row["ablation"] for row in blind["ablations"]] == ["shuffled_captions"]
    assert any(line.startswith("“1.3_cam” used 0 of the 100 images on twitter2017: its") for line in summary(blind))
    assert not any("shuffled images" in line or "“1.0_bert_crf” used" in line for line in summary(blind))


def test_the_score_of_the_text_only_view_is_a_column_where_every_run_has_it(results):
    scores = sections(make_report([replace(each, metrics={}) for each in results], rounds=50), [])[0]
    (table,) = scores.tables
    assert not {"F1 text only", "F1 strict"} & {*table}
    assert "strict" not in scores.text
    aligned = [
        replace(result, metrics={"f1_strict": 0.5, "f1_text_only": 0.25 + result.seed / 8})
        if result.model == "3.0_captions"
        else result
        for result in results
    ]
    scores = sections(make_report(aligned, rounds=50), [])[0]
    (table,) = scores.tables
    assert "and strict F1" in scores.text
    assert dict(zip(table["model"], table["F1 text only"], strict=True)) == {
        "1.0_bert_crf": "",
        "3.0_captions": "43.75 ± 8.84",
    }


def test_one_seed_is_said_with_significance(tmp_path, posts):
    report = make_report(write_experiment(tmp_path, {"a": 0.5, "b": 0.9}, posts, seeds=(1,)), rounds=ROUNDS)
    (sentence,) = summary(report)
    assert sentence.endswith("significant over posts; with one seed, the spread of trainings is not known.")
    (table,) = next(part.tables for part in sections(report, []) if part.title == "Differences")
    assert table["significant"].tolist() == ["yes, one seed"]


def test_columns_without_a_value_are_left_out(results):
    parts = sections(make_report(results, rounds=50), [])
    assert not [
        (part.title, column) for part in parts for table in part.tables for column in table if not table[column].any()
    ]
    assert "published" not in parts[0].tables[0]


def test_trainings_are_described_from_their_run_folders(results):
    folder = next(result.predictions for result in results if result.model == "3.0_captions").parent
    (folder / "config.yaml").write_text(
        "trainer: {precision: bf16-mixed, max_epochs: 5}\nmodel: null\n", encoding="utf-8"
    )
    (folder / "environment.json").write_text('{"device": "H100", "torch": "2.9"}', encoding="utf-8")
    report = make_report(results, rounds=50)
    (row,) = [row for row in report["runs"] if row["model"] == "3.0_captions"]
    assert {name: row[name] for name in ("precision", "epochs", "device", "torch")} == {
        "precision": "bf16-mixed",
        "epochs": "5",
        "device": "H100",
        "torch": "2.9",
    }
    (folder / "environment.json").write_text("[1]", encoding="utf-8")
    (folder / "config.yaml").write_text("a: [", encoding="utf-8")  # not of a run
    assert not any("precision" in row or "device" in row for row in make_report(results, rounds=50)["runs"])


def test_types_are_confused_as_counted_by_hand(results):
    report = make_report(results, rounds=50)
    for row in report["confusion"]:
        runs = [read_predictions(each.predictions) for each in results if each.model == row["model"]]
        for kind, count in row["predicted"].items():
            counted = 0
            for prediction in (each for run in runs for each in run):
                spans = {(entity.start, entity.end): entity.type for entity in prediction.entities}
                gold = [entity for entity in get_entities(list(prediction.post.tags)) if entity[0] == row["type"]]
                counted += sum(spans.get((start, last + 1), "no match") == kind for _, start, last in gold)
            assert count == counted / len(runs)

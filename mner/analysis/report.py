"""The numbers of a report: scores, comparisons, breakdowns and calibration of the results of experiments."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from itertools import product
from typing import Any

from mner.analysis.breakdowns import TrainedMentions, by_image, by_length, by_mention, posts_of
from mner.analysis.calibration import calibrate
from mner.analysis.confusion import ABSENT, confusion
from mner.analysis.costs import costs
from mner.analysis.counts import Counts, Score
from mner.analysis.error_kinds import ErrorKinds, error_kinds
from mner.analysis.grounding import MEASURES, OUTCOMES, count_outcomes
from mner.analysis.published import PublishedScores
from mner.analysis.results import Result
from mner.analysis.run_settings import run_settings
from mner.analysis.significance import ROUNDS, Comparison, Resampling, compare, f1_interval, holm
from mner.analysis.spread import Spread
from mner.analysis.systems import DataSet, Run, read_systems
from mner.errors import DataError, ExperimentError
from mner.posts import Post
from mner.subsets import fraction as fraction_of

Row = dict[str, Any]
Report = dict[str, list[Row]]
_Trained = Callable[[float, int], TrainedMentions]
"""The mentions in the training posts of a run, from its fraction and seed."""


def make_report(
    results: Sequence[Result],
    train: Mapping[str, Sequence[Post]] | None = None,
    baseline: str | None = None,
    rounds: int = ROUNDS,
    published: PublishedScores | None = None,
) -> Report:
    """Compute every table of a report.

    Args:
        results: What was trained and scored.
        train: All training posts of a data set, by its name, for the entities seen in training: those of a run with a
            fraction of the posts are chosen as its data module chose them. A data set without them has no such table.
        baseline: The model that the others are compared with; by default the first of the results.
        rounds: Rounds of randomisation and bootstrap.
        published: Published scores to print next to those of runs on all training posts.

    Returns:
        Tables by name, each a list of rows, F1 and the like between 0 and 1: ``scores``, ``comparisons``,
        ``ablations``, ``types``, ``errors``, ``confusion``, ``costs``, ``runs``, ``mentions``, ``lengths``,
        ``images``, ``calibration``, ``failed`` and ``incomplete``; where posts and predictions have boxes,
        ``grounding``, ``grounding_comparisons`` and ``grounding_ablations``, by GMNER F1, and ``grounding_outcomes``.

    Raises:
        ExperimentError: If nothing is finished, or there is no such baseline.
        AlignmentError: If predictions of a data set are not of the same posts.
        LabelError: If a training file has other entity types than the posts scored.
        DataError: If training posts are given for a data set that is not there.
    """
    data_sets = read_systems(results)
    baseline = _baseline(baseline, results)
    published = published or PublishedScores()
    trained = _trained(train or {}, data_sets)
    tested = ("comparisons", "ablations", "grounding_comparisons", "grounding_ablations")
    report: Report = {name: [] for name in ("scores", "grounding", "grounding_outcomes", *tested)}
    for data in data_sets:
        draws = Resampling(len(data.posts), rounds)
        systems = sorted(data.systems, key=_order(data))
        report["scores"] += [_scores(data, key, draws, published) for key in systems]
        report["comparisons"] += list(_comparisons(data, baseline, draws))
        report["ablations"] += list(_ablations(data, draws))
        grounded = data.grounded()
        if grounded.systems:
            first = baseline if baseline in grounded.models else grounded.models[0]
            keys = sorted(grounded.systems, key=_order(data))
            report["grounding"] += [_grounding(grounded, key, draws) for key in keys]
            report["grounding_comparisons"] += list(_comparisons(grounded, first, draws))
            report["grounding_ablations"] += list(_ablations(grounded, draws))
            for model, runs in grounded.main().items():
                place = {"data": data.name, "model": model, "fraction": grounded.main_fraction}
                _extend(report, "grounding_outcomes", place, _outcomes(runs))
    for name in tested:
        for row, corrected in zip(report[name], holm([row["p"] for row in report[name]]), strict=True):
            row["p_holm"] = corrected
            row["significant"] = Comparison(row["difference"], row["low"], row["high"], row["p"]).significant(corrected)
    for data in data_sets:
        _add_breakdowns(report, data, trained.get(data.name), published)
    report["failed"] = [
        {"model": each.model, "data": each.data, "fraction": each.fraction, "seed": each.seed, "error": each.error}
        for each in results
        if each.status == "failed"
    ]
    report["incomplete"] = list(_incomplete(results))
    return report


def _add_breakdowns(report: Report, data: DataSet, trained: _Trained | None, published: PublishedScores) -> None:
    """Add the tables of each model at the main training size: types, errors, groups of entities and of posts, costs."""
    for model, runs in data.main().items():
        place = {"data": data.name, "model": model, "fraction": data.main_fraction}
        _extend(report, "types", place, _types(runs))
        _extend(report, "errors", place, [_errors(runs)])
        _extend(report, "confusion", place, _confusion(runs))
        _extend(report, "costs", place, costs(runs))
        _extend(report, "runs", place, [row for row in [run_settings(runs)] if row])
        if trained is not None:
            groups = _groups(runs, partial(_mentions, trained))
            score = published.find(model, data.name, runs[0].result.split) if data.main_fraction == 1 else None
            known = score.groups if score else {}
            _extend(report, "mentions", place, [{**row, "published": known.get(row["group"])} for row in groups])
        counts = posts_of(data.posts)
        lengths = _groups(runs, lambda run: by_length(run.predictions))
        _extend(report, "lengths", place, [{**row, "posts": counts[row["group"]]} for row in lengths])
        images = _groups(runs, lambda run: by_image(run.predictions))
        if all(row["support"] for row in images):
            _extend(report, "images", place, images)
        _extend(report, "calibration", place, _calibration(runs))


def _baseline(given: str | None, results: Sequence[Result]) -> str:
    models = list(dict.fromkeys(result.model for result in results))
    if given is not None and given not in models:
        raise ExperimentError(
            f"no model is called {given!r}, so it cannot be the baseline; there are {', '.join(models)}"
        )
    return models[0] if given is None else given


def _trained(train: Mapping[str, Sequence[Post]], data_sets: Sequence[DataSet]) -> dict[str, _Trained]:
    """The mentions in the training posts of a run, by data set, from its fraction and seed."""
    names = [data.name for data in data_sets]
    strange = [name for name in train if name not in names]
    if strange:
        raise DataError(f"a training file is given for {strange[0]}, but the results are on {', '.join(names)}")
    for data in data_sets:
        if data.name in train:
            TrainedMentions(train[data.name]).check_types(data.posts)
    return {name: _mentions_of(posts) for name, posts in train.items()}


def _mentions_of(posts: Sequence[Post]) -> _Trained:
    @cache
    def trained(fraction: float, seed: int) -> TrainedMentions:
        return TrainedMentions(fraction_of(posts, fraction, seed))

    # Without a fraction every seed has the same posts.
    return lambda fraction, seed: trained(fraction, seed if fraction < 1 else 0)


def _order(data: DataSet) -> Callable[[tuple[str, float]], tuple[float, int]]:
    models = data.models
    return lambda key: (-key[1], models.index(key[0]))


def _scores(data: DataSet, key: tuple[str, float], draws: Resampling, published: PublishedScores) -> Row:
    model, fraction = key
    runs = data.systems[key]
    results = [run.result for run in runs]
    interval = f1_interval([run.counts for run in runs], draws)
    split = results[0].split
    known = published.find(model, data.name, split) if fraction == 1 else None
    posts = [result.train_posts for result in results if result.train_posts]
    return {
        "data": data.name,
        "model": model,
        "fraction": fraction,
        "images": _images([result.images for result in results]),
        "train_posts": round(statistics.mean(posts)) if posts else None,
        "seeds": [result.seed for result in results],
        "split": split,
        "version": results[0].version,
        "precision": _mean([run.counts.score().precision for run in runs]),
        "recall": _mean([run.counts.score().recall for run in runs]),
        "f1": asdict(interval),
        **{name: _logged(results, name) for name in ("f1_strict", "f1_text_only")},
        "published": known and {name: getattr(known, name) for name in ("split", "precision", "recall", "f1")},
        "main": fraction == data.main_fraction,
    }


def _grounding(data: DataSet, key: tuple[str, float], draws: Resampling) -> Row:
    runs = data.systems[key]
    interval = f1_interval([run.counts for run in runs], draws)
    scores = {name: [run.grounding[name].score() for run in runs] for name in MEASURES}
    return {
        "data": data.name,
        "model": key[0],
        "fraction": key[1],
        "seeds": [run.result.seed for run in runs],
        "precision": _mean([score.precision for score in scores["gmner"]]),
        "recall": _mean([score.recall for score in scores["gmner"]]),
        "f1": asdict(interval),
        **{f"{name}_f1": _mean([score.f1 for score in scores[name]]) for name in ("mner", "eeg")},
        "coverage": _logged([run.result for run in runs], "region_coverage"),
        "support": scores["gmner"][0].support,
    }


def _outcomes(runs: Sequence[Run]) -> list[Row]:
    """A row per type: the mean number of its gold entities by outcome."""
    by_type = [count_outcomes(run.predictions) for run in runs]
    return [
        {"type": name, **{each: statistics.mean(counts[name][each] for counts in by_type) for each in OUTCOMES}}
        for name in by_type[0]
    ]


def _logged(results: Sequence[Result], name: str) -> Row | None:
    """The mean of a metric that is not computed from predictions; ``None`` unless every run has it."""
    values = [result.metrics[name] for result in results if name in result.metrics]
    return _mean(values) if len(values) == len(results) else None


def _comparisons(data: DataSet, baseline: str, draws: Resampling) -> Iterable[Row]:
    for (model, fraction), runs in sorted(data.systems.items(), key=lambda item: _order(data)(item[0])):
        others = data.systems.get((baseline, fraction))
        if model == baseline or others is None:
            continue
        comparison = compare([run.counts for run in runs], [run.counts for run in others], draws)
        seeds = [len(runs), len(others)]
        yield {
            "data": data.name,
            "model": model,
            "baseline": baseline,
            "fraction": fraction,
            "seeds": seeds,
            "main": fraction == data.main_fraction,
            **_row(comparison),
        }


def _ablations(data: DataSet, draws: Resampling) -> Iterable[Row]:
    for model, runs in data.main().items():
        for ablation in dict.fromkeys(ablation for run in runs for ablation in run.ablations):
            pairs = [(run.counts, run.ablations[ablation]) for run in runs if _is_ablated(run, ablation)]
            if not pairs:
                continue
            real, ablated = ([pair[side] for pair in pairs] for side in (0, 1))
            place = {"data": data.name, "model": model, "fraction": data.main_fraction, "ablation": ablation}
            scores = {"real": _mean(_f1(real)), "ablated": _mean(_f1(ablated))}
            yield {
                **place,
                "seeds": len(pairs),
                **scores,
                **_row(compare(real, ablated, draws, same_trainings=True)),
            }


def _is_ablated(run: Run, ablation: str) -> bool:
    """Whether a run has the ablation, and not for a model that saw no image, which loses nothing by it."""
    images = run.result.images
    blind = images is not None and not images["used"] and ablation.endswith("_images")
    return ablation in run.ablations and not blind


def _images(counted: Sequence[Mapping[str, int] | None]) -> Row | None:
    """Return the images of the seed that used the fewest; ``None`` where the model sees none."""
    known = [images for images in counted if images is not None]
    return dict(min(known, key=lambda images: images["used"])) if known else None


def _row(comparison: Comparison) -> Row:
    row = asdict(comparison)
    row["p"] = row.pop("p_value")
    return row


def _types(runs: Sequence[Run]) -> list[Row]:
    by_type = [run.counts.scores_by_type() for run in runs]
    rows = []
    for name in dict.fromkeys(name for scores in by_type for name in scores):
        strict = [run.result.metrics.get(f"f1_{name}_strict") for run in runs]
        scores = [each.get(name, Score.of(0, 0, 0)) for each in by_type]
        rows.append(
            {
                "type": name,
                **_summary(scores),
                "f1_strict": None if None in strict else _mean([value for value in strict if value is not None]),
            }
        )
    return rows


def _errors(runs: Sequence[Run]) -> Row:
    kinds = [error_kinds(run.predictions) for run in runs]
    return {name: statistics.mean(getattr(each, name) for each in kinds) for name in ErrorKinds.__slots__}


def _confusion(runs: Sequence[Run]) -> list[Row]:
    """A row per gold type: the mean number of its entities by predicted type."""
    counts = sum((confusion(run.predictions) for run in runs), Counter())
    types = sorted({name for pair in counts for name in pair} - {ABSENT})
    return [
        {"type": gold, "predicted": {name: counts[gold, name] / len(runs) for name in (*types, ABSENT)}}
        for gold in types
        if any(counts[gold, name] for name in (*types, ABSENT))
    ]


def _groups(runs: Sequence[Run], scores: Callable[[Run], Mapping[str, Score]]) -> list[Row]:
    by_seed = [scores(run) for run in runs]
    return [{"group": name, **_summary([each[name] for each in by_seed])} for name in by_seed[0]]


def _mentions(trained: _Trained, run: Run) -> dict[str, Score]:
    return by_mention(run.predictions, trained(run.result.fraction, run.result.seed))


def _summary(scores: Sequence[Score]) -> Row:
    return {
        "precision": _mean([score.precision for score in scores]),
        "recall": _mean([score.recall for score in scores]),
        "f1": _mean([score.f1 for score in scores]),
        "support": statistics.mean(score.support for score in scores),
    }


def _calibration(runs: Sequence[Run]) -> list[Row]:
    """Calibration over the entities of all seeds; empty if the predictions have no confidences."""
    try:
        return [asdict(calibrate(prediction for run in runs for prediction in run.predictions))]
    except DataError:
        return []


def _incomplete(results: Sequence[Result]) -> Iterable[Row]:
    """Cells that are missing from the grid of the results: every model on every data set with every size and seed."""
    finished = {result.cell for result in results if result.status == "finished"}
    models = list(dict.fromkeys(result.model for result in results))
    data_sets = list(dict.fromkeys(result.data for result in results))
    fractions, seeds = sorted({result.fraction for result in results}), sorted({result.seed for result in results})
    for data, model, fraction in product(data_sets, models, fractions):
        missing = [seed for seed in seeds if Result(model, data, seed, fraction).cell not in finished]
        if missing:
            yield {"data": data, "model": model, "fraction": fraction, "seeds": missing}


def _extend(report: Report, name: str, place: Row, rows: Iterable[Row]) -> None:
    report.setdefault(name, []).extend({**place, **row} for row in rows)


def _f1(counts: Sequence[Counts]) -> list[float]:
    return [each.score().f1 for each in counts]


def _mean(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and standard deviation over seeds, as plain data."""
    return Spread.of(values)._asdict()

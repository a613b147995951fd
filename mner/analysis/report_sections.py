"""A report in words and tables, from its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mner.analysis.report import Report, Row

ERROR_KINDS = {
    "right": "right",
    "wrong_type": "wrong type",
    "wrong_boundary": "wrong boundary",
    "wrong_both": "both wrong",
    "missed": "missed",
    "spurious": "spurious",
}


@dataclass(frozen=True)
class Table:
    """A table of text.

    Args:
        columns: Headings.
        rows: Cells.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Args:
        title: Its heading.
        text: What one must know to read it.
        tables: Its tables.
        figures: Names of its figures.
    """

    title: str
    text: str = ""
    tables: Sequence[Table] = field(default_factory=tuple)
    figures: Sequence[str] = field(default_factory=tuple)


def summary(report: Report) -> list[str]:
    """What the report says, a sentence each."""
    sentences = [_comparison(row, report["comparisons"]) for row in report["comparisons"] if row["main"]]
    sentences += [_ablation(row, report["ablations"]) for row in report["ablations"]]
    if not sentences:
        best = max(report["scores"], key=lambda row: row["f1"]["mean"])
        sentences.append(f"{best['model']} reaches {_spread(best['f1'])} F1 on {best['data']}.")
    return sentences


def sections(report: Report, figures: Iterable[str]) -> list[Section]:
    """Lay out a report; what it has no numbers for is left out.

    Args:
        report: What :func:`mner.analysis.report.make_report` returned.
        figures: Names of the figures that were drawn.
    """
    drawn = list(figures)
    seeds = len({seed for row in report["scores"] for seed in row["seeds"]})
    parts = [
        Section(
            "Scores",
            "Micro F1 over entities in percent, read by conlleval (seqeval's default), strict beside it; mean ± "
            f"standard deviation over seeds ({seeds} at most). The interval covers the choice of posts and, as far as "
            "the seeds show it, of seeds. What the paper reports is on its test split and, for Twitter-2017, on other "
            "posts: it does not compare with a score on another version or split. " + _main_sizes(report),
            [_scores(report["scores"])],
        ),
        Section(
            "Further data sets",
            "Table 3 of the paper: F1 on the split that was scored, at the training size that most models have.",
            _further(report["scores"]),
        ),
        Section(
            "Differences",
            "p by approximate randomisation over posts, two-sided, corrected by Holm over the comparisons of the "
            "table; the interval by bootstrap over posts and seeds. Significant: p below 0.05 and zero outside the "
            "interval.",
            [_comparisons(report["comparisons"])] if report["comparisons"] else [],
            [name for name in drawn if name == "differences"],
        ),
        Section(
            "Does the image matter?",
            "The same weights, scored with images or captions taken away (blank) or exchanged (shuffled). What a model "
            "does not lose by that was never due to them.",
            [_ablations(report["ablations"])] if report["ablations"] else [],
        ),
        Section(
            "With and without an image",
            "Scores over the posts that have an image and over those that have none.",
            [_groups(report["images"], "posts")] if report.get("images") else [],
        ),
        Section(
            "Training size",
            "Figure 2 of the paper. Smaller shares of a seed lie within larger ones.",
            [],
            [name for name in drawn if name.startswith("learning_curve")],
        ),
        Section("Entity types", "", [_types(report["types"])]),
        Section(
            "Kinds of errors",
            "Entities, mean over seeds. Each entity wanted is right, of the wrong type, of the wrong boundary, both, "
            "or missed; each found is paired with one of them or spurious.",
            [_errors(report["errors"])],
        ),
        Section(
            "Seen and ambiguous entities",
            "Table 4 of the paper; F1 in percent. Seen: the string occurs in training with the same type. Multi-type: "
            "with several types; single-type: with this one alone. Strings in lower case.",
            [_mentions(report["mentions"])] if report.get("mentions") else [],
        ),
        Section(
            "Sentence length",
            "Figure 3 of the paper; F1 in percent.",
            [_groups(report["lengths"], "words")],
            [name for name in drawn if name.startswith("lengths")],
        ),
        Section(
            "Calibration",
            "Of the entities found with confidence 0.8, four in five should be right. The expected error is the mean "
            "distance between the two, in percentage points, over ten bins of equal width.",
            [_calibration(report["calibration"])] if report.get("calibration") else [],
            [name for name in drawn if name.startswith("calibration")],
        ),
        Section("What is missing", "", _missing(report)),
    ]
    return [part for part in parts if part.tables or part.figures]


def _scores(rows: Sequence[Row]) -> Table:
    versions = list(dict.fromkeys(row["version"] or "a version that is not known here" for row in rows))
    columns = [
        "data",
        "model",
        "training",
        "seeds",
        "P",
        "R",
        "F1",
        "95 % interval",
        "F1 strict",
        "paper P / R / F1",
        "scored",
    ]
    cells = []
    for row in rows:
        paper, snapchat = row["published"], row["published_snapchat"]
        published = " / ".join(f"{paper[name]:.2f}" for name in ("precision", "recall", "f1")) if paper else ""
        cells.append(
            [
                row["data"],
                row["model"],
                _training(row),
                str(len(row["seeds"])),
                _spread(row["precision"]),
                _spread(row["recall"]),
                _spread(row["f1"]),
                f"{100 * row['f1']['low']:.2f} to {100 * row['f1']['high']:.2f}",
                _spread(row["f1_strict"]) if row["f1_strict"] else "",
                published if paper else (f"F1 {snapchat:.2f}" if snapchat else ""),
                f"{row['split'] or 'split not known'}: {versions[versions.index(row['version'] or versions[0])]}"
                if row["version"]
                else f"{row['split'] or 'split not known'}, version not known",
            ]
        )
    return Table(columns, cells)


def _further(rows: Sequence[Row]) -> list[Table]:
    """The paper's Table 3, for data sets that are not those of its Table 2."""
    further = [row for row in rows if row["main"] and not re.search("201[57]", row["data"])]
    cells = [
        [
            row["data"],
            row["model"],
            *(_spread(row["f1"]) if row["split"] == split else "" for split in ("valid", "test")),
            f"{row['published_snapchat']:.2f}" if row["published_snapchat"] else "",
        ]
        for row in further
    ]
    return [Table(["data", "model", "dev F1", "test F1", "paper, this split"], cells)] if cells else []


def _comparisons(rows: Sequence[Row]) -> Table:
    columns = ["data", "model", "against", "training", "difference", "95 % interval", "p", "p (Holm)", "significant"]
    return Table(
        columns,
        [[row["data"], row["model"], row["baseline"], f"{row['fraction']:.0%}", *_test(row)] for row in rows],
    )


def _ablations(rows: Sequence[Row]) -> Table:
    columns = [
        "data",
        "model",
        "ablation",
        "F1",
        "F1 under ablation",
        "loss",
        "95 % interval",
        "p",
        "p (Holm)",
        "significant",
    ]
    return Table(
        columns,
        [
            [
                row["data"],
                row["model"],
                row["ablation"].replace("_", " "),
                _spread(row["real"]),
                _spread(row["controlled"]),
                *_test(row),
            ]
            for row in rows
        ],
    )


def _test(row: Row) -> list[str]:
    return [
        f"{100 * row['difference']:+.2f}",
        f"{100 * row['low']:+.2f} to {100 * row['high']:+.2f}",
        _p(row["p"]),
        _p(row["p_holm"]),
        "yes" if row["significant"] else "no",
    ]


def _types(rows: Sequence[Row]) -> Table:
    cells = [
        [
            row["data"],
            row["model"],
            row["type"],
            *(_spread(row[name]) for name in ("precision", "recall", "f1")),
            _spread(row["f1_strict"]) if row["f1_strict"] else "",
            str(row["support"]),
        ]
        for row in rows
    ]
    return Table(["data", "model", "type", "P", "R", "F1", "F1 strict", "entities"], cells)


def _errors(rows: Sequence[Row]) -> Table:
    cells = [[row["data"], row["model"], *(f"{row[name]:.1f}" for name in ERROR_KINDS)] for row in rows]
    return Table(["data", "model", *ERROR_KINDS.values()], cells)


def _mentions(rows: Sequence[Row]) -> Table:
    names = list(dict.fromkeys(row["group"] for row in rows))
    cells = []
    for data, model in dict.fromkeys((row["data"], row["model"]) for row in rows):
        of = {row["group"]: row for row in rows if (row["data"], row["model"]) == (data, model)}
        paper = [f"{of[name]['published']:.2f}" if of[name]["published"] else "–" for name in names]
        cells.append([data, model, *(_cell(of[name]) for name in names), " / ".join(paper)])
    return Table(["data", "model", *(f"{name} (entities)" for name in names), "paper"], cells)


def _groups(rows: Sequence[Row], what: str) -> Table:
    names = list(dict.fromkeys(row["group"] for row in rows))
    cells = []
    for data, model in dict.fromkeys((row["data"], row["model"]) for row in rows):
        of = {row["group"]: row for row in rows if (row["data"], row["model"]) == (data, model)}
        cells.append([data, model, *(_cell(of[name]) for name in names)])
    return Table(
        [
            "data",
            "model",
            *(f"{name} {what} (entities)" if what == "words" else f"{name} (entities)" for name in names),
        ],
        cells,
    )


def _cell(row: Row) -> str:
    return f"{_spread(row['f1'])} ({row['support']})" if row["support"] else "–"


def _calibration(rows: Sequence[Row]) -> Table:
    columns = [
        "data",
        "model",
        "mean confidence",
        "right",
        "expected error",
        "largest error",
        "Brier score",
        "entities",
    ]
    cells = [
        [
            row["data"],
            row["model"],
            *(f"{100 * row[name]:.1f}" for name in ("confidence", "accuracy", "expected_error", "maximum_error")),
            f"{row['brier']:.3f}",
            str(row["count"]),
        ]
        for row in rows
    ]
    return Table(columns, cells)


def _missing(report: Report) -> list[Table]:
    tables = []
    if report["failed"]:
        cells = [
            [row["data"], row["model"], f"{row['fraction']:.0%}", str(row["seed"]), row["error"]]
            for row in report["failed"]
        ]
        tables.append(Table(["data", "model", "training", "seed", "failed with"], cells))
    if report["incomplete"]:
        cells = [
            [row["data"], row["model"], f"{row['fraction']:.0%}", ", ".join(map(str, row["seeds"]))]
            for row in report["incomplete"]
        ]
        tables.append(Table(["data", "model", "training", "seeds that others have and it has not"], cells))
    if "mentions" not in report:
        tables.append(Table(["left out"], [["seen and ambiguous entities: no training file was given (--train)"]]))
    return tables


def _comparison(row: Row, rows: Sequence[Row]) -> str:
    points = 100 * row["difference"]
    where = f"{abs(points):.2f} F1 {'above' if points >= 0 else 'below'} {row['baseline']}"
    return f"{row['model']} is {where} on {row['data']}{_share(row)}: {_verdict(row, len(rows))}."


def _ablation(row: Row, rows: Sequence[Row]) -> str:
    points = 100 * row["difference"]
    lost = f"loses {points:.2f} F1" if points >= 0 else f"gains {-points:.2f} F1"
    return (
        f"With {row['ablation'].replace('_', ' ')}, {row['model']} {lost} on {row['data']}{_share(row)}: "
        f"{_verdict(row, len(rows))}."
    )


def _main_sizes(report: Report) -> str:
    """At which training size the tables behind the scores are, where it is not all of the training posts."""
    sizes = {row["data"]: row["fraction"] for row in report["scores"] if row["main"]}
    smaller = [f"{data} at {fraction:.0%}" for data, fraction in sizes.items() if fraction < 1]
    return f"The tables below are of the training size that most models have: {', '.join(smaller)}." if smaller else ""


def _share(row: Row) -> str:
    return f" with {row['fraction']:.0%} of the training posts" if row["fraction"] < 1 else ""


def _verdict(row: Row, count: int) -> str:
    interval = f"95 % interval {100 * row['low']:+.2f} to {100 * row['high']:+.2f}"
    after = f" after Holm over {count} comparisons" if count > 1 else ""
    return f"{interval}, p {_p(row['p_holm'], words=True)}{after}, {'' if row['significant'] else 'not '}significant"


def _p(value: float, words: bool = False) -> str:
    if value < 0.001:
        return "< 0.001"
    return f"= {value:.3f}" if words else f"{value:.3f}"


def _spread(value: Row) -> str:
    """Mean and standard deviation in percent."""
    deviation = f" ± {100 * value['deviation']:.2f}" if value["deviation"] else ""
    return f"{100 * value['mean']:.2f}{deviation}"


def _training(row: Row) -> str:
    posts = f" ({row['train_posts']:,} posts)" if row["train_posts"] else ""
    return f"{row['fraction']:.0%}{posts}"

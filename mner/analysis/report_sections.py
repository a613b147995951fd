"""A report in words and tables, from its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from mner.analysis.error_kinds import KIND_NAMES
from mner.analysis.grounding import OUTCOMES
from mner.analysis.report import Report, Row
from mner.analysis.report_values import is_repeated, p_value, percent, spread, words

SCORES = {"precision": "P", "recall": "R", "f1": "F1"}


class Examples(NamedTuple):
    """Posts that are shown in a report.

    Args:
        html: The posts as HTML.
        text: The posts as text.
    """

    html: str
    text: str


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Args:
        title: Its heading.
        text: How to read it.
        tables: Its tables, of text.
        figures: Names of its figures.
        links: Relative paths of further pages, by what they are called.
        examples: Posts, by heading.
    """

    title: str
    text: str = ""
    tables: Sequence[pd.DataFrame] = field(default_factory=tuple)
    figures: Sequence[str] = field(default_factory=tuple)
    links: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, Examples] = field(default_factory=dict)


def sections(
    report: Report,
    figures: Iterable[str],
    pages: Mapping[str, str] | None = None,
    examples: Mapping[str, Examples] | None = None,
) -> list[Section]:
    """Lay out a report; empty sections are left out.

    Args:
        report: What :func:`mner.analysis.report.make_report` returned.
        figures: Names of the figures that were drawn.
        pages: Relative paths of the pages of posts, by what they are called.
        examples: Examples of errors, by heading.
    """
    drawn = list(figures)
    repeated = any(len(row["seeds"]) > 1 for row in report["scores"])
    mean = ", mean over seeds" if repeated else ""
    first = "; of several seeds, those of the first" if repeated else ""
    parts = [
        Section(
            "Scores",
            f"{_about_scores(report['scores'], repeated)}{_main_sizes(report)}",
            [_scores(report["scores"])],
        ),
        Section(
            "F1 by data set",
            "F1 on the split that was scored, at the training size that most models have, and published F1.",
            [_by_data(report["scores"])] if len({row["data"] for row in report["scores"]}) > 1 else [],
        ),
        Section(
            "Differences",
            "p by approximate randomisation over posts, two-sided; Holm's correction controls the family-wise error "
            f"rate over the comparisons of the table. The interval is a bootstrap over posts{' and seeds' * repeated}. "
            "Significant: corrected p below 0.05, and an interval that excludes zero.",
            _tables([_comparisons(row) for row in report["comparisons"]]),
            [name for name in drawn if name == "differences"],
        ),
        Section(
            "Ablation of images and captions",
            "The same weights, scored with blank or shuffled images or captions. A score that does not drop was not "
            "due to them.",
            _tables([_ablations(row) for row in report["ablations"]]),
        ),
        Section(
            "Grounding",
            "GMNER: span, type and box are correct; MNER: span and type; EEG: span and box; F1 over posts with gold "
            "boxes, in percent. A box is correct if its intersection over union with a gold box is at least 0.5, or if "
            "neither entity has one. Coverage: the shown entities of which some candidate region overlaps a gold box "
            "that much, the maximum recall of a model that chooses among regions. Differences and losses are of GMNER "
            f"F1. The last table counts gold entities{mean}: correct, with span and type but a wrong box, "
            "and missed or of another span or type.",
            [
                *_tables([_grounding(row) for row in report["grounding"]]),
                *_tables([_comparisons(row) for row in report["grounding_comparisons"]]),
                *_tables([_ablations(row) for row in report["grounding_ablations"]]),
                *_tables([_outcomes(row) for row in report["grounding_outcomes"]]),
            ],
            [name for name in drawn if name.startswith("grounding")],
        ),
        Section(
            "With and without an image",
            "Scores over the posts that have an image and over those that have none.",
            _tables(_by_group(report.get("images", []), "{} (entities)")),
        ),
        Section(
            "Training size",
            "For one seed, a smaller fraction of the training posts is part of a larger one.",
            [],
            [name for name in drawn if name.startswith("learning_curve")],
        ),
        Section("Entity types", "", _tables([_types(row) for row in report["types"]])),
        Section(
            "Kinds of errors",
            f"Number of entities{mean}. A gold entity is correct, of the wrong type, of the wrong boundary, "
            "both wrong, or missed; a predicted entity is paired with a gold one or spurious.",
            _tables([_errors(row) for row in report["errors"]]),
        ),
        Section(
            "Examples of errors",
            f"For each kind of error, the posts with its most confident entities, gold against predicted{first}.",
            examples=examples or {},
        ),
        Section(
            "Posts",
            f"The posts that were scored, gold against predicted, with a filter by kind of error{first}.",
            links=pages or {},
        ),
        Section(
            "Seen and ambiguous entities",
            "F1 in percent. Seen: the string occurs with the same type in the posts that the run was trained on. "
            "Multi-type: with several types; single-type: only with this one. Strings in lower case."
            f"{' The number of entities is a mean over seeds.' * repeated}",
            _tables(_by_group(report.get("mentions", []), "{} (entities)", published=True)),
        ),
        Section(
            "Sentence length",
            "F1 in percent.",
            _tables(_by_group(report["lengths"], "{} words (entities)")),
            [name for name in drawn if name.startswith("lengths")],
        ),
        Section(
            "Calibration",
            "Of the entities predicted with confidence 0.8, four in five should be correct. The expected calibration "
            "error (ECE) is the mean gap between confidence and accuracy, in percentage points, over ten bins of equal "
            "width.",
            _tables([_calibration(row) for row in report.get("calibration", [])]),
            [name for name in drawn if name.startswith("calibration")],
        ),
        Section(
            "Confusion of types",
            "Number of gold entities of each type, by the type of the predicted entity with the same boundaries"
            f"{mean}.",
            _tables([_confusion(row) for row in report["confusion"]]),
        ),
        Section(
            "Cost per post",
            "Means over the posts: of trained models seconds of their test, and of the training; of prompted language "
            "models seconds per request, of which several run at a time, tokens of prompts and answers, and the "
            "percentage of unusable answers, whose posts have no entities.",
            _tables([_costs(row) for row in report["costs"]]),
        ),
        Section("What is missing", "", _missing(report)),
        Section(
            "Trainings",
            f"What the run folders record; minutes of training and scoring{mean}.",
            _tables([{**_place(row), **_settings(row)} for row in report["runs"]]),
        ),
    ]
    return [part for part in parts if part.tables or part.figures or part.links or part.examples]


def _about_scores(rows: Sequence[Row], repeated: bool) -> str:
    """How to read the table of scores."""
    spread = (
        "; mean ± standard deviation over seeds. The interval covers the sampling of posts and, as far as the seeds "
        "show it, of seeds."
        if repeated
        else ", of one training per model. The interval covers the sampling of posts, not the spread of trainings."
    )
    published = (
        " Published scores are on the split in parentheses and possibly on other posts: they do not compare with a "
        "score on another version or split."
    )
    strict = ", and strict F1" if any(row["f1_strict"] for row in rows) else ""
    return (
        f"Precision, recall and micro F1 over entities in percent, by conlleval (seqeval's default){strict}"
        f"{spread}{published if any(row['published'] for row in rows) else ''}"
    )


def _tables(rows: Sequence[Mapping[str, str]]) -> list[pd.DataFrame]:
    """One table without empty columns, or none without rows."""
    return [_without_empty(pd.DataFrame(rows).fillna(""))] if rows else []


def _without_empty(table: pd.DataFrame) -> pd.DataFrame:
    return table.loc[:, (table != "").any()]


def _place(row: Row) -> dict[str, str]:
    return {"data": row["data"], "model": row["model"]}


def _scores(rows: Sequence[Row]) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            **_place(row),
            "training": f"{percent(row)}{f' ({count:,} posts)' if (count := row['train_posts']) else ''}",
            "seeds": str(len(row["seeds"])),
            **{heading: spread(row[name]) for name, heading in SCORES.items()},
            "95% interval": f"{100 * row['f1']['low']:.2f} to {100 * row['f1']['high']:.2f}",
            "F1 strict": spread(row["f1_strict"]),
            "F1 text only": spread(row["f1_text_only"]),
            "published": _published(row["published"], SCORES),
            "scored": f"{row['split'] or 'split not known'}{f': {version}' if (version := row['version']) else ''}",
        }
        for row in rows
    )
    return _without_empty(table)


def _grounding(row: Row) -> dict[str, str]:
    return {
        **_place(row),
        "training": percent(row),
        "seeds": str(len(row["seeds"])),
        **{f"GMNER {heading}": spread(row[name]) for name, heading in SCORES.items()},
        "95% interval": f"{100 * row['f1']['low']:.2f} to {100 * row['f1']['high']:.2f}",
        "MNER F1": spread(row["mner_f1"]),
        "EEG F1": spread(row["eeg_f1"]),
        "coverage": spread(row["coverage"]),
        "entities": str(row["support"]),
    }


def _outcomes(row: Row) -> dict[str, str]:
    return {**_place(row), "type": row["type"], **{name: _mean_count(row[each]) for each, name in OUTCOMES.items()}}


def _by_data(rows: Sequence[Row]) -> pd.DataFrame:
    cells = [
        {
            "model": row["model"],
            "data": f"{row['data']} {row['split'] or ''}".strip(),
            "f1": spread(row["f1"]) + (f" [{known}]" if (known := _published(row["published"], ["f1"])) else ""),
        }
        for row in rows
        if row["main"]
    ]
    table = pd.DataFrame(cells)
    order = {name: list(dict.fromkeys(table[name])) for name in ("model", "data")}
    wide = table.pivot(index="model", columns="data", values="f1").reindex(index=order["model"], columns=order["data"])
    return wide.fillna("").reset_index()


def _published(score: Row | None, names: Iterable[str]) -> str:
    known = [f"{score[name]:.2f}" for name in names if score[name] is not None] if score else []
    return f"{' / '.join(known)} ({score['split']})" if score and known else ""


def _comparisons(row: Row) -> dict[str, str]:
    return {**_place(row), "against": row["baseline"], "training": percent(row), **_test(row)}


def _ablations(row: Row) -> dict[str, str]:
    scores = {"F1": spread(row["real"]), "F1 under ablation": spread(row["ablated"])}
    test = _test(row)
    return {**_place(row), "ablation": words(row["ablation"]), **scores, "loss": test.pop("difference"), **test}


def _test(row: Row) -> dict[str, str]:
    return {
        "difference": f"{100 * row['difference']:+.2f}",
        "95% interval": f"{100 * row['low']:+.2f} to {100 * row['high']:+.2f}",
        "p": p_value(row["p"]),
        "p (Holm)": p_value(row["p_holm"]),
        "significant": f"{'yes' if row['significant'] else 'no'}{'' if is_repeated(row) else ', one seed'}",
    }


def _types(row: Row) -> dict[str, str]:
    scores = {heading: spread(row[name]) for name, heading in SCORES.items()}
    rest = {"F1 strict": spread(row["f1_strict"]), "entities": f"{row['support']:.0f}"}
    return {**_place(row), "type": row["type"], **scores, **rest}


def _errors(row: Row) -> dict[str, str]:
    return {**_place(row), **{heading: _mean_count(row[name]) for name, heading in KIND_NAMES.items()}}


def _by_group(rows: Sequence[Row], heading: str, published: bool = False) -> list[dict[str, str]]:
    """One row per data set and model, with a column per group."""
    table: dict[tuple[str, str], dict[str, str]] = {}
    known: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        key = row["data"], row["model"]
        cell = f"{spread(row['f1'])} ({row['support']:.0f})" if row["support"] else "–"
        table.setdefault(key, _place(row))[heading.format(row["group"])] = cell
        if published:
            known.setdefault(key, []).append("–" if row["published"] is None else f"{row['published']:.2f}")
    for key, scores in known.items():
        if set(scores) != {"–"}:
            table[key]["published"] = " / ".join(scores)
    filled = [name for name in _columns(table.values()) if any(row.get(name, "–") != "–" for row in table.values())]
    return [{name: row.get(name, "") for name in filled} for row in table.values()]


def _columns(rows: Iterable[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _confusion(row: Row) -> dict[str, str]:
    return {
        **_place(row),
        "gold": row["type"],
        **{name: _mean_count(count) for name, count in row["predicted"].items()},
    }


def _settings(row: Row) -> dict[str, str]:
    return {name: value for name, value in row.items() if name not in ("data", "model", "fraction")}


def _calibration(row: Row) -> dict[str, str]:
    names = {
        "mean confidence": "confidence",
        "accuracy": "accuracy",
        "ECE": "expected_error",
        "maximum error": "maximum_error",
    }
    percent = {heading: f"{100 * row[name]:.1f}" for heading, name in names.items()}
    return {**_place(row), **percent, "Brier score": f"{row['brier']:.3f}", "entities": str(row["count"])}


def _costs(row: Row) -> dict[str, str]:
    asked = {
        "prompt tokens": f"{row.get('prompt_tokens', 0):.0f}",
        "answer tokens": f"{row.get('answer_tokens', 0):.0f}",
        "unusable answers": f"{100 * row.get('unusable', 0):.1f}",
    }
    return {
        **_place(row),
        "seconds": f"{row['seconds']:.3g}",
        **(asked if "answer_tokens" in row else dict.fromkeys(asked, "")),
        "training seconds": f"{row['train_seconds']:.0f}" if "train_seconds" in row else "",
    }


def _missing(report: Report) -> list[pd.DataFrame]:
    failed = [
        {**_place(row), "training": percent(row), "seed": str(row["seed"]), "failed with": row["error"] or ""}
        for row in report["failed"]
    ]
    incomplete = [
        {**_place(row), "training": percent(row), "missing seeds": ", ".join(map(str, row["seeds"]))}
        for row in report["incomplete"]
    ]
    tables = [*_tables(failed), *_tables(incomplete)]
    if "mentions" not in report:
        tables += _tables([{"left out": "seen and ambiguous entities: no training file was given (--train)"}])
    return tables


def _main_sizes(report: Report) -> str:
    """The training size of the tables after the scores, where it is not all of the training posts."""
    sizes = {row["data"]: row["fraction"] for row in report["scores"] if row["main"]}
    smaller = [f"{data} at {fraction:.0%}" for data, fraction in sizes.items() if fraction < 1]
    return f" The tables below are of the training size that most models have: {', '.join(smaller)}." if smaller else ""


def _mean_count(count: float) -> str:
    """Format a number of entities, a mean over seeds; ``12`` of one seed, ``12.5`` of two."""
    return f"{count:.1f}".removesuffix(".0")

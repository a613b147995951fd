"""The summary of a report: a sentence per comparison and ablation."""

from __future__ import annotations

from collections.abc import Sequence

from mner.analysis.report import Report, Row
from mner.analysis.report_values import is_repeated, p_value, percent, quoted, spread, words


def summary(report: Report) -> list[str]:
    """Summarise the report, a sentence per comparison and ablation."""
    sentences = [_comparison(row, report["comparisons"]) for row in report["comparisons"] if row["main"]]
    sentences += [_ablation(row, report["ablations"]) for row in report["ablations"]]
    for row in report["grounding_comparisons"]:
        sentences += [_comparison(row, report["grounding_comparisons"], "GMNER F1")] if row["main"] else []
    for row in report["grounding_ablations"]:
        sentences.append(_ablation(row, report["grounding_ablations"], "GMNER F1"))
    sentences += [_images(row) for row in report["scores"] if (row["images"] or {}).get("named")]
    if not sentences:
        best = max(report["scores"], key=lambda row: row["f1"]["mean"])
        sentences.append(f"{quoted(best['model'])} reaches {spread(best['f1'])} F1 on {best['data']}.")
    return sentences


def _comparison(row: Row, rows: Sequence[Row], measure: str = "F1") -> str:
    points = 100 * row["difference"]
    where = f"{abs(points):.2f} {measure} {'above' if points >= 0 else 'below'} {quoted(row['baseline'])}"
    return f"{quoted(row['model'])} is {where} on {row['data']}{_share(row)}: {_verdict(row, len(rows))}."


def _ablation(row: Row, rows: Sequence[Row], measure: str = "F1") -> str:
    points = 100 * row["difference"]
    change = f"loses {points:.2f} {measure}" if points >= 0 else f"gains {-points:.2f} {measure}"
    if points < 0:  # the interval is that of the gain, too
        row = {**row, "low": -row["high"], "high": -row["low"]}
    return (
        f"With {words(row['ablation'])}, {quoted(row['model'])} {change} on {row['data']}{_share(row)}: "
        f"{_verdict(row, len(rows))}."
    )


def _images(row: Row) -> str:
    named, used = row["images"]["named"], row["images"]["used"]
    without = "" if used else ": its scores are those of a model that sees no image, and it has no ablation of images"
    return f"{quoted(row['model'])} used {used:,.0f} of the {named:,.0f} images on {row['data']}{_share(row)}{without}."


def _share(row: Row) -> str:
    return f" with {percent(row)} of the training posts" if row["fraction"] < 1 else ""


def _verdict(row: Row, count: int) -> str:
    interval = f"95% interval {100 * row['low']:+.2f} to {100 * row['high']:+.2f}"
    after = f" after Holm's correction for {count} comparisons" if count > 1 else ""
    p = p_value(row["p_holm"])
    verdict = f"{'' if row['significant'] else 'not '}significant"
    alone = "" if is_repeated(row) else " over posts; with one seed, the spread of trainings is not known"
    return f"{interval}, p {p if p[0] == '<' else f'= {p}'}{after}, {verdict}{alone}"

"""The figures of a report: differences, learning curves, sentence lengths, calibration, grounding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mner.analysis.entity_boxes import import_figure
from mner.analysis.grounding import OUTCOMES
from mner.terminal import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mner.analysis.report import Report, Row

# Okabe and Ito's palette for colour-blind readers, without its palest colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
MARKERS = "osD^vP*X"
MOST_WITHIN = 7
"""Names of a legend that do not cover the lines."""
FEW = 10
"""Entities below which the accuracy of a bin says little."""


def make_figures(report: Report) -> dict[str, Figure]:
    """Draw the figures for which a report has numbers.

    Args:
        report: The result of :func:`mner.analysis.report.make_report`.

    Returns:
        Figures by name: ``differences``, and for each data set ``learning_curve_NAME``, ``lengths_NAME``,
        ``calibration_NAME`` and ``grounding_NAME``.

    Raises:
        ConfigurationError: If matplotlib is not installed.
    """
    figure_class = import_figure()
    models = list(dict.fromkeys(row["model"] for row in report["scores"]))
    styles = {
        model: {
            "color": COLOURS[index % len(COLOURS)],
            "marker": MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],  # another one when colours repeat
        }
        for index, model in enumerate(models)
    }
    figures = {}
    rows = _differences(report)
    if rows:
        figures["differences"] = _draw_differences(figure_class, rows)
    for data in dict.fromkeys(row["data"] for row in report["scores"]):
        scores = _of(report["scores"], data)
        repeated = any(len(row["seeds"]) > 1 for row in scores)
        if len({row["fraction"] for row in scores}) > 1:
            figures[f"learning_curve_{data}"] = _draw_learning_curve(
                figure_class, data, scores, _of(report["comparisons"], data), styles
            )
        figures[f"lengths_{data}"] = _draw_lengths(figure_class, data, _of(report["lengths"], data), styles)
        calibration = _of(report.get("calibration", []), data)
        if calibration:
            figures[f"calibration_{data}"] = _draw_calibration(figure_class, data, calibration, styles, repeated)
        outcomes = _of(report["grounding_outcomes"], data)
        if outcomes:
            figures[f"grounding_{data}"] = _draw_outcomes(figure_class, data, outcomes, repeated)
    return figures


def _differences(report: Report) -> list[tuple[str, Row]]:
    rows = [
        (printable(f"{row['data']}: {row['model']} against {row['baseline']}"), row)
        for row in report["comparisons"]
        if row["main"]
    ]
    return rows + [
        (printable(f"{row['data']}: {row['model']} against itself, {row['ablation'].replace('_', ' ')}"), row)
        for row in report["ablations"]
    ]


def _draw_differences(figure_class: Any, rows: Sequence[tuple[str, Row]]) -> Figure:
    figure: Figure = figure_class(figsize=(9, 0.8 + 0.34 * len(rows)), layout="constrained")
    axis = figure.subplots()
    for place, (_, row) in enumerate(reversed(rows)):
        colour = COLOURS[0] if row["significant"] else "#7F7F7F"
        low, middle, high = (100 * row[name] for name in ("low", "difference", "high"))
        axis.plot([low, high], [place, place], color=colour, linewidth=2)
        axis.plot(middle, place, "o", color=colour, markerfacecolor=colour if row["significant"] else "white")
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(rows)), [label for label, _ in reversed(rows)], fontsize=8, parse_math=False)
    axis.set_ylim(-0.6, len(rows) - 0.4)  # keep few rows apart, and all of them within the frame
    axis.set_xlabel("difference in F1, percentage points, with its interval (filled: significant)")
    _plain(axis)
    return figure


def _draw_learning_curve(
    figure_class: Any, data: str, scores: Sequence[Row], comparisons: Sequence[Row], styles: Mapping[str, Row]
) -> Figure:
    figure: Figure = figure_class(figsize=(6.4, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    known = all(row["train_posts"] for row in scores)
    place = {row["fraction"]: row["train_posts"] if known else 100 * row["fraction"] for row in scores}
    for model, rows in _by(scores, "model"):
        rows = sorted(rows, key=lambda row: row["fraction"])
        x = [place[row["fraction"]] for row in rows]
        mean = [100 * row["f1"]["mean"] for row in rows]
        spread = [100 * (row["f1"]["deviation"] or 0) for row in rows]
        upper.plot(x, mean, label=_label(model), **styles[model])
        upper.fill_between(
            x,
            [m - s for m, s in zip(mean, spread, strict=True)],
            [m + s for m, s in zip(mean, spread, strict=True)],
            color=styles[model]["color"],
            alpha=0.18,
            linewidth=0,
        )
    upper.set_ylabel("F1, percent")
    _title(upper, f"{data}: F1 against training size{_spread('band', scores)}")
    _model_legend(figure, upper, loc="lower right")
    compared = _by(comparisons, "model")
    step = min(0.03, 0.2 / max(len(compared), 1))
    for shift, (model, rows) in enumerate(compared):
        rows = sorted(rows, key=lambda row: row["fraction"])
        x = [place[row["fraction"]] * (1 + step * shift) for row in rows]
        mean = [100 * row["difference"] for row in rows]
        ends = [
            [100 * (row["difference"] - row["low"]) for row in rows],
            [100 * (row["high"] - row["difference"]) for row in rows],
        ]
        lower.errorbar(x, mean, yerr=ends, capsize=3, linewidth=1.2, **styles[model])
    lower.axhline(0, color="black", linewidth=0.8)
    baseline = comparisons[0]["baseline"] if comparisons else ""
    lower.set_ylabel(f"gap to {printable(baseline)}", fontsize=8, parse_math=False)
    lower.set_xscale("log")
    ticks = sorted(set(place.values()))
    lower.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    lower.minorticks_off()
    lower.set_xlabel("training posts" if known else "training posts used, percent")
    for axis in (upper, lower):
        _plain(axis)
    return figure


def _draw_lengths(figure_class: Any, data: str, rows: Sequence[Row], styles: Mapping[str, Row]) -> Figure:
    figure: Figure = figure_class(figsize=(6.4, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    groups = _by(rows, "model")
    shown = [row["group"] for row in groups[0][1] if row["support"]]
    step = min(0.06, 0.6 / len(groups))
    for shift, (model, of_model) in enumerate(groups):
        of_bins = {row["group"]: row["f1"] for row in of_model}
        x = [place + step * (shift - (len(groups) - 1) / 2) for place in range(len(shown))]
        mean = [100 * of_bins[name]["mean"] for name in shown]
        spread = [100 * (of_bins[name]["deviation"] or 0) for name in shown]
        upper.errorbar(x, mean, yerr=spread, label=_label(model), capsize=3, **styles[model])
    posts = {row["group"]: row["posts"] for row in groups[0][1]}
    bars = lower.bar(range(len(shown)), [posts[name] for name in shown], color="#BBBBBB")
    lower.bar_label(bars, fontsize=7)
    lower.margins(y=0.25)
    lower.set_xticks(range(len(shown)), shown)
    lower.set_xlabel("words in the post")
    lower.set_ylabel("posts")
    upper.set_ylabel("F1, percent")
    _title(upper, f"{data}: F1 by sentence length{_spread('bars', rows)}")
    _model_legend(figure, upper)
    for axis in (upper, lower):
        _plain(axis)
    return figure


def _draw_calibration(
    figure_class: Any, data: str, rows: Sequence[Row], styles: Mapping[str, Row], repeated: bool
) -> Figure:
    figure: Figure = figure_class(figsize=(5.4, 5.8), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 100], [0, 100], color="black", linewidth=0.8, linestyle="--", label="perfectly calibrated")
    width = min(3, 9 / len(rows))  # the bars of a bin, which is 10 wide, do not cover those of the next one
    for shift, row in enumerate(rows):
        style = styles[row["model"]]
        points = [(100 * each["confidence"], 100 * each["accuracy"], each["count"]) for each in row["bins"]]
        name = f"{_label(row['model'])} (ECE {100 * row['expected_error']:.1f})"
        upper.plot([x for x, _, _ in points], [y for _, y, _ in points], label=name, **style)
        few = [(x, y) for x, y, count in points if count < FEW]
        upper.plot([x for x, _ in few], [y for _, y in few], linestyle="", markerfacecolor="white", zorder=3, **style)
        middles = [50 * (each["low"] + each["high"]) + width * (shift - (len(rows) - 1) / 2) for each in row["bins"]]
        lower.bar(middles, [each["count"] for each in row["bins"]], width=width, color=style["color"])
    upper.set_ylabel("correct entities, percent")
    _title(upper, f"{data}: reliability diagram{', all seeds together' if repeated else ''}")
    _model_legend(figure, upper)
    lower.set_ylabel("entities")
    lower.set_yscale("log")
    lower.set_ylim(bottom=0.8)  # so that a bin with one entity has a bar, and several powers of ten have ticks
    lower.yaxis.set_major_formatter("{x:,.0f}")  # the default needs the fonts of mathematics
    lower.yaxis.set_minor_formatter("")
    lower.set_xlabel(f"confidence, percent (hollow: fewer than {FEW} entities)")
    for axis in (upper, lower):
        _plain(axis)
    return figure


def _draw_outcomes(figure_class: Any, data: str, rows: Sequence[Row], repeated: bool) -> Figure:
    """One bar per model and type, from top to bottom, cut into the percentages of its outcomes."""
    figure: Figure = figure_class(figsize=(7.5, 1.2 + 0.32 * len(rows)), layout="constrained")
    axis = figure.subplots()
    places = range(len(rows))
    totals = [sum(row[each] for each in OUTCOMES) for row in rows]
    left = [0.0] * len(rows)
    for (outcome, name), colour in zip(OUTCOMES.items(), (COLOURS[2], COLOURS[4], COLOURS[1]), strict=True):
        widths = [100 * row[outcome] / total for row, total in zip(rows, totals, strict=True)]
        bars = axis.barh(places, widths, left=left, color=colour, label=name, height=0.75)
        shown = [f"{row[outcome]:.0f}" if width >= 4 else "" for row, width in zip(rows, widths, strict=True)]
        axis.bar_label(bars, shown, label_type="center", fontsize=7)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    labels = [printable(f"{row['model']}: {row['type']}") for row in rows]
    axis.set_yticks(places, labels, fontsize=8, parse_math=False)
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    mean = ", mean over seeds" if repeated else ""
    axis.set_xlabel(f"gold entities of the type, percent (in the bars: their number{mean})")
    _title(axis, f"{data}: what was predicted for the gold entities")
    _legend(axis, loc="lower center", bbox_to_anchor=(0.5, 1.0 + 0.22 / figure.get_figheight()), ncols=len(OUTCOMES))
    _plain(axis)
    return figure


def _by(rows: Iterable[Row], name: str) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[name], []).append(row)
    return list(groups.items())


def _of(rows: Iterable[Row], data: str) -> list[Row]:
    return [row for row in rows if row["data"] == data]


def _label(name: str) -> str:
    """Return a name for a legend, which would omit one that begins with an underscore."""
    return printable(f"\N{ZERO WIDTH SPACE}{name}" if name.startswith("_") else name)


def _spread(shape: str, rows: Iterable[Row]) -> str:
    """Explain the shape that shows the spread over seeds, where there are several."""
    several = any(row["f1"]["deviation"] is not None for row in rows)
    return f" ({shape}: one standard deviation over seeds)" if several else ""


def _title(axis: Axes, title: str) -> None:
    axis.set_title(printable(title), fontsize=9, parse_math=False)


def _model_legend(figure: Figure, axis: Axes, **options: Any) -> None:
    """Name the models within the axis, or next to it where they are so many that the legend would cover the lines."""
    names = axis.get_legend_handles_labels()[1]
    if len(names) > MOST_WITHIN:
        figure.set_figwidth(figure.get_figwidth() + 0.6 + 0.08 * max(map(len, names)))
        options = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    _legend(axis, **options)


def _legend(axis: Axes, **options: Any) -> None:
    for text in axis.legend(fontsize=8, frameon=False, **options).get_texts():
        text.set_parse_math(False)


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="both", color="#DDDDDD", linewidth=0.6)
    axis.set_axisbelow(True)

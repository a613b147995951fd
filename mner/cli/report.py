"""``mner report``: tables and figures from saved predictions, with intervals and significance."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mner.analysis.figures import make_figures
from mner.analysis.published import PublishedScores, read_published
from mner.analysis.report import Row, make_report
from mner.analysis.results import Result, read_results
from mner.analysis.significance import ROUNDS
from mner.cli.parsing import OptionParser
from mner.data.readers import read_posts
from mner.display import render
from mner.display.examples import error_examples
from mner.errors import ConfigurationError, DatasetNotFoundError
from mner.extras import extra
from mner.file_names import file_names
from mner.files import atomic_write
from mner.paths import is_there
from mner.post_json import to_json
from mner.predictions import read_predictions
from mner.terminal import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DATA = "data"
"""Name of the data set for predictions that are given without an experiment."""
TABLES = "tables"
"""Folder of the tables within that of the report."""


def parser() -> OptionParser:
    """The options of ``mner report``."""
    options = OptionParser(
        prog="mner report",
        description="Compare models from their saved predictions: scores with intervals, significance, ablations, "
        "errors, seen and ambiguous entities, training size, sentence length, calibration. Writes report.md, "
        "report.html, report.json, a page of the posts per model, the tables as CSV and LaTeX, and the figures as PNG, "
        "SVG and PDF.",
    )
    options.add_argument(
        "results",
        type=str,
        nargs="+",
        help="Folders or results.jsonl files of mner experiment, or a model's predictions as NAME=predictions.jsonl.",
    )
    options.add_argument(
        "--train",
        type=str,
        nargs="+",
        default=[],
        help="The training file, for seen and unseen entities; with several data sets DATA=FILE for each. The posts of "
        "a run on a fraction of it are chosen by that run's fraction and seed.",
    )
    options.add_argument(
        "--images",
        type=str,
        nargs="+",
        default=[],
        help="The folder of the images that the posts name, for examples of errors; with several data sets DATA=FOLDER "
        "for each.",
    )
    options.add_argument("--output", required=True, type=Path, help="Folder of the report.")
    options.add_argument(
        "--baseline",
        type=str | None,
        default=None,
        help="The model that the others are compared with; by default the first.",
    )
    options.add_argument("--title", type=str, default="Report", help="Heading of the report.")
    options.add_argument("--rounds", type=int, default=ROUNDS, help="Rounds of randomisation and bootstrap.")
    options.add_argument(
        "--published",
        type=str | None,
        default=None,
        help="A YAML file of published scores to print next to the measured ones, or chen2020 for those of the paper.",
    )
    return options


def run(arguments: Sequence[str]) -> None:
    """Write the report and print its summary."""
    options = parser().parse_args(list(arguments[1:]))
    with extra("report", "a report"):
        from mner.analysis.rendering import to_html, to_markdown
        from mner.analysis.report_sections import Examples, sections
        from mner.analysis.report_summary import summary
        from mner.analysis.table_files import table_files
    results = [result for given in options.results for result in _results(given)]
    published = PublishedScores() if options.published is None else read_published(options.published)
    train = {name: read_posts(path) for name, path in _by_data(options.train, results).items()}
    images = {name: Path(path) for name, path in _by_data(options.images, results).items()}
    report = make_report(results, train, options.baseline, options.rounds, published=published)
    figures = make_figures(report)
    stems = dict(zip(figures, file_names(figures), strict=True))
    drawings = {name: _save(figure, options.output, stems[name]) for name, figure in figures.items()}
    first = {title: (data, read_predictions(path)) for title, data, path in _first(results, report["scores"])}
    pages = dict(zip(first, (f"posts_{stem}.html" for stem in file_names(first)), strict=True))
    examples = {}
    for title, (data, predictions) in first.items():
        render(predictions, title=title, images=False).save(options.output / pages[title])
        shown = render(error_examples(predictions), images=images.get(data, False))
        if shown.posts:
            examples[title] = Examples(shown.fragment, str(shown))
    sentences, parts = summary(report), sections(report, figures, pages, examples)
    files = {name: f"{stem}.png" for name, stem in stems.items()}
    texts = {
        "report.json": to_json(report, indent=2) + "\n",
        "report.md": to_markdown(options.title, sentences, parts, files),
        "report.html": to_html(options.title, sentences, parts, drawings.__getitem__),
        **{f"{TABLES}/{name}": text for name, text in table_files(parts)},
    }
    for name, text in texts.items():
        with atomic_write(options.output / name) as file:
            file.write(text)
    print("\n".join(map(printable, sentences)))
    print(printable(f"report: {options.output / 'report.html'}"))


def _results(given: str) -> list[Result]:
    name, separator, path = given.partition("=")
    if separator and not is_there(given):
        return [Result(name, DATA, predictions=Path(path))]
    if given.endswith(".jsonl") and Path(given).name.startswith("predictions"):
        raise ConfigurationError(f"{given} contains predictions; name their model: NAME={given}")
    return read_results(given)


def _by_data(given: Sequence[str], results: Sequence[Result]) -> dict[str, str]:
    """The path that is given for each data set: ``DATA=PATH``, or only ``PATH`` if there is one data set."""
    names = list(dict.fromkeys(result.data for result in results))
    paths = {}
    for each in given:
        name, separator, path = each.partition("=")
        if not separator or is_there(each):
            if len(names) > 1:
                raise ConfigurationError(
                    f"the results are on {', '.join(names)}: name the data set that {each} belongs to, DATA={each}"
                )
            name, path = names[0], each
        if name not in names:
            raise ConfigurationError(f"no result is on {name!r}, of {each}; the results are on {', '.join(names)}")
        paths[name] = path
    missing = [path for path in paths.values() if not is_there(path)]
    if missing:
        raise DatasetNotFoundError(f"there is nothing at {missing[0]}; correct the path, relative to {Path.cwd()}")
    return paths


def _first(results: Sequence[Result], scores: Sequence[Row]) -> Iterator[tuple[str, str, Path]]:
    """The first seed of each model on each data set, at its main training size: title, data set, predictions file."""
    first = {(row["data"], row["model"], row["fraction"], row["seeds"][0]) for row in scores if row["main"]}
    for each in results:
        if (each.data, each.model, each.fraction, each.seed) in first and each.predictions is not None:
            yield f"{each.model} on {each.data}, seed {each.seed}", each.data, each.predictions


def _save(figure: Figure, folder: Path, name: str) -> str:
    """Save a figure as PNG, PDF and SVG; return the SVG for the HTML, with ids that no other figure has."""
    with atomic_write(folder / f"{name}.png", "wb") as image:
        figure.savefig(image, format="png", dpi=150, metadata={"Software": None})
    with atomic_write(folder / f"{name}.pdf", "wb") as page:
        figure.savefig(page, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    drawn = io.StringIO()
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    text = drawn.getvalue()
    with atomic_write(folder / f"{name}.svg") as file:
        file.write(text)
    inside = text[text.index("<svg") :]
    inside = re.sub(r'\bid="', f'id="{name}_', inside)
    inside = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}_", inside)
    return re.sub(r"<metadata>.*?</metadata>", "", inside, flags=re.DOTALL)

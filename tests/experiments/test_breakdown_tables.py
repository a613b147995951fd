"""Breakdowns of F1, models side by side, a row per group of mentions."""

from rich.console import Console

from mner.analysis.results import Result
from mner.experiments.breakdown_tables import breakdown_tables
from mner.experiments.grid import Cell
from mner.experiments.progress import Progress


def progress(scores):
    """A grid whose finished cells have F1 scores on ambiguous and plain mentions; ``None`` is a cell that runs."""
    states, results = {}, {}
    for (model, data, seed, fraction), pair in scores.items():
        cell = Cell(model, data, seed, fraction, ())
        states[cell] = "running" if pair is None else "finished"
        if pair is not None:
            kinds = {kind: {"f1": f1} for kind, f1 in zip(("ambiguous", "plain"), pair, strict=True)} if pair else {}
            results[cell] = Result(
                model, data, seed, fraction, metrics={"f1": 0.5} | ({"kind_of_mention": kinds} if kinds else {})
            )
    return Progress(states, results=results)


def rows(table):
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table)
    lines = [line for line in captured.get().splitlines() if line.startswith(("│", "┃"))]
    return [[word.strip() for word in line.strip("│┃").replace("┃", "│").split("│")] for line in lines]


def test_a_row_a_kind_and_a_column_a_model():
    (table,) = breakdown_tables(
        progress(
            {
                ("look", "demo", 0, 1.0): (0.9, 0.8),
                ("text", "demo", 0, 1.0): (0.25, 0.75),
                ("look", "demo", 1, 1.0): (0.8, 0.8),
                ("text", "demo", 1, 1.0): None,
                ("text", "demo", 0, 0.5): (0.125, 0.5),
                ("look", "tweets", 0, 1.0): (),
            }
        )
    )
    assert rows(table) == [
        ["kind of mention", "look", "text", "text, 0.5 of the posts"],
        ["ambiguous", "85.00 ± 7.07", "25.00", "12.50"],
        ["plain", "80.00 ± 0.00", "75.00", "50.00"],
    ]


def test_no_table_without_kinds():
    assert breakdown_tables(progress({("text", "tweets", 0, 1.0): ()})) == []


def test_a_group_that_one_model_was_not_scored_on():
    (table,) = breakdown_tables(
        Progress(
            dict.fromkeys(cells := [Cell(name, "data", 0, 1.0, ()) for name in "ab"], "finished"),
            results={
                cells[0]: Result("a", "data", metrics={"f1": 1.0, "topic": {"[red]sport": {"f1": 0.5}}}),
                cells[1]: Result("b", "data", metrics={"f1": 1.0, "topic": {"news": {"f1": 1.0}}}),
            },
        )
    )
    assert rows(table) == [["topic", "a", "b"], ["[red]sport", "50.00", ""], ["news", "", "100.00"]]

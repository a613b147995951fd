"""Searches with Optuna: a script stands in for ``mner``, whose score is a known function of its options."""

import json
import sys
from dataclasses import replace

import pytest

from mner.analysis.results import read_results
from mner.errors import ConfigurationError
from mner.experiments import Grid, Part, Range, Search, SearchRunner

optuna = pytest.importorskip("optuna")

SCRIPT = """
import json, sys, time
from pathlib import Path

options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
folder = Path(options["--run_folder"])
x, seed = float(options["--model.x"]), int(options["--seed_everything"])
with open(options["--data.calls"], "a") as calls:
    calls.write(f"{folder.parent.parent.parent.name} {seed}\\n")
stop = Path(options["--data.calls"] + ".fail")
if stop.exists() and stop.read_text() == folder.parent.parent.parent.name:
    print("mner fit: error: the machine is on fire")
    sys.exit(1)
with (folder / "metrics.csv").open("w") as file:
    file.write("epoch,train/loss,val/f1\\n")
    for epoch in range(int(options.get("--trainer.max_epochs", 3))):
        score = (1 - (x - 0.3) ** 2) * (epoch + 1) / 10 + seed / 100
        score = "nan" if epoch < int(options.get("--model.nan", 0)) else score
        file.write(f"{epoch},0.5,\\n{epoch},,{score}\\n")
        file.flush()
        time.sleep(float(options.get("--model.sleep", 0)))
for name in ("best.ckpt", "last.ckpt", "predictions.jsonl"):
    (folder / name).touch()
(folder / "metrics.json").write_text(json.dumps({"split": "test", "f1": 0.5}))
"""
SPACE = {"model.x": Range(0.0, 1.0)}


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Build a runner of a search over ``model.x``, with two seeds unless told otherwise."""
    script = tmp_path / "mner.py"
    script.write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setattr(SearchRunner, "program", (sys.executable, "-S", str(script)))

    def build(folder="folder", seeds=(1, 2), options=None, **settings):
        settings = {"num_trials": 4, "pruner": None, "space": SPACE} | settings
        calls = Part(options={"data.calls": str(tmp_path / "calls")})
        grid = Grid({"text": Part(options=options or {})}, {"data": calls}, seeds=seeds)
        return SearchRunner(grid, Search(**settings), tmp_path / folder)

    return build


def values_of(runner):
    return {
        best.number: (best.params["model.x"], best.value)
        for study in runner._studies.values()
        for best in study.get_trials()
        if best.state == optuna.trial.TrialState.COMPLETE
    }


def test_a_trial_is_worth_the_mean_over_seeds_of_its_best_validation(make, tmp_path):
    runner = make()
    assert set(runner.run().states.values()) == {"finished"}
    values = values_of(runner)
    assert len(values) == 4
    assert all(value == pytest.approx(0.3 * (1 - (x - 0.3) ** 2) + 0.015) for x, value in values.values())
    assert [(result.model, result.seed) for result in read_results(tmp_path / "folder")] == [
        (f"text-trial_{trial:03}", seed) for trial in range(4) for seed in (1, 2)
    ]
    (best,) = runner.best()
    assert best.value == max(value for _, value in values.values())
    assert best.folder.joinpath("metrics.csv").exists()


@pytest.mark.parametrize(
    "sampler", [pytest.param("RandomSampler", marks=pytest.mark.slow), "optuna.samplers.TPESampler"]
)
def test_an_interrupted_search_ends_like_a_complete_one(make, tmp_path, sampler):
    """It is stopped in a trial, after its first seed; a failed trial is repeated."""
    complete = make("complete", sampler=sampler)
    complete.run()
    (tmp_path / "calls").unlink()

    runner = make("folder", sampler=sampler)
    record = runner._record

    def killed(cell, end):
        record(cell, end)
        if (cell.model, cell.seed) == ("text-trial_001", 1):
            raise KeyboardInterrupt

    runner._record = killed
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    (tmp_path / "calls.fail").write_text("text-trial_002", "utf-8")
    failed = make("folder", sampler=sampler).run()
    assert sorted(failed.states.values()) == ["failed"] + ["finished"] * 6
    (tmp_path / "calls.fail").unlink()
    again = make("folder", sampler=sampler)
    again.run()
    assert sorted(values_of(again).values()) == sorted(values_of(complete).values())
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert sorted(set(calls)) == [f"text-trial_{trial:03} {seed}" for trial in range(4) for seed in (1, 2)]
    assert len(calls) == 9  # the failed seed is run twice
    trials = [{(each.model, each.seed) for each in read_results(tmp_path / name)} for name in ("folder", "complete")]
    assert trials[0] == trials[1]
    make("folder", sampler=sampler).run()
    assert len((tmp_path / "calls").read_text(encoding="utf-8").splitlines()) == 9


def test_scores_from_before_an_interruption_count_once(make):
    runner = make()
    cell = runner.grid.cell("text-trial_000", Part(), "data", 1, 1.0, {})
    folder = runner.cell_folder(cell)
    folder.mkdir(parents=True)
    for name, rows in {
        "metrics.part_2.csv": ("2,6,0.4", "3,8,0.1"),
        "metrics.part_1.csv": ("0,2,0.6", "0,2,", "1,4,0.3"),
        "metrics.part_10.csv": ("3,8,0.2",),
        "metrics.csv": ("4,10,0.5",),
    }.items():
        (folder / name).write_text("\n".join(["epoch,step,val/f1", *rows]), encoding="utf-8")
    assert runner._scores(cell) == [0.6, 0.3, 0.4, 0.2, 0.5]


def test_a_hopeless_trial_is_stopped(make, tmp_path):
    pruned = {
        "pruner": "ThresholdPruner",
        "pruner_arguments": {"lower": 0.15, "n_warmup_steps": 1},
        "options": {"model.sleep": 0.5, "trainer.max_epochs": 4},
        "space": {"model.x": Range(choices=[0.3, 5])},
        "sampler": "RandomSampler",
        "seeds": (1,),
    }
    runner = make(**pruned)
    states = runner.run().states
    hopeless = {cell: cell.arguments[cell.arguments.index("--model.x") + 1] == "5" for cell in states}
    assert states == {cell: "pruned" if is_hopeless else "finished" for cell, is_hopeless in hopeless.items()}
    assert set(states.values()) == {"pruned", "finished"}
    assert not list((tmp_path / "folder" / "cells").glob("**/last.ckpt"))
    make(**pruned).run()
    assert len((tmp_path / "calls").read_text(encoding="utf-8").splitlines()) == 4


@pytest.mark.parametrize(("nan", "state"), [(2, "COMPLETE"), (3, "PRUNED")])
def test_scores_that_are_no_numbers_do_not_count(make, tmp_path, nan, state):
    """A trial without a score has no value, and is not trained again."""
    options = {"options": {"model.nan": nan}, "seeds": (1,), "num_trials": 1, "pruner": "MedianPruner"}
    for _ in range(2):
        runner = make(**options)
        runner.run()
        (trial,) = (trial for study in runner._studies.values() for trial in study.get_trials())
        assert trial.state.name == state
    x = trial.params["model.x"]
    assert [value for _, value in values_of(runner).values()] == (
        [pytest.approx(0.3 * (1 - (x - 0.3) ** 2) + 0.01)] if state == "COMPLETE" else []
    )
    assert len((tmp_path / "calls").read_text(encoding="utf-8").splitlines()) == 1


def test_storage_is_any_url_of_optuna(make, tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    for folder in ("one", "two"):
        make(folder, storage=url, study_name="mine", num_trials=2 if folder == "one" else 3).run()
    study = optuna.load_study(study_name="mine/text/data/fraction_1", storage=url)
    assert len(study.trials) == 3
    assert {each.user_attrs["folder"] for each in study.trials} == {str(tmp_path / "one"), str(tmp_path / "two")}


def test_ranges_become_distributions():
    distributions = optuna.distributions
    assert Range(1, 7, step=2).distribution() == distributions.IntDistribution(1, 7, step=2)
    assert Range(1e-6, 1e-3, log=True).distribution() == distributions.FloatDistribution(1e-6, 1e-3, log=True)
    assert Range(0, 1, step=0.25).distribution() == distributions.FloatDistribution(0, 1, step=0.25)
    assert Range(choices=["a", [1, 2]]).distribution().choices == ("a", "[1, 2]")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"low": 1},
        {"low": 2, "high": 1},
        {"low": 0, "high": 1, "log": True},
        {"low": 1, "high": 2, "log": True, "step": 1},
        {"choices": []},
        {"choices": [1], "low": 0},
    ],
)
def test_empty_ranges_are_refused(wrong):
    with pytest.raises(ConfigurationError, match="expected "):
        Range(**wrong)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"space": {}}, "at least one option"),
        ({"space": {"--model.x": Range(0, 1)}}, "without --"),
        ({"space": {"seed_everything": Range(0, 1)}}, "set by the grid"),
        ({"sampler": "GridSampler"}, "give them as axes"),
        ({"sampler": "Guess"}, "optuna.samplers has no Guess"),
        ({"sampler_arguments": {"depth": 3}}, "sampler TPESampler cannot be used"),
        ({"pruner": "MedianPruner", "pruner_arguments": {"depth": 3}}, "cannot be set up"),
        ({"storage": "nosql://somewhere"}, "cannot be set up"),
    ],
)
def test_a_wrong_search_is_an_error_that_says_why(make, wrong, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        make(**wrong).run()


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ({}, {"direction": "minimize"}, "the direction maximize"),
        ({"space": {"model.x": Range(choices=[0.1])}}, {"space": {"model.x": Range(choices=[0.2])}}, "A changed space"),
    ],
)
def test_a_study_is_not_continued_with_another_aim(make, before, after, complaint):
    make(num_trials=1, seeds=(1,), **before).run()
    with pytest.raises(ConfigurationError, match=complaint):
        make(num_trials=2, seeds=(1,), **before | after).run()


def test_a_search_is_read_from_a_config(tmp_path, monkeypatch):
    from mner.cli import experiment

    space = {"model.x": {"low": 1e-6, "high": 1e-3, "log": True}, "data.init_args.batch_size": {"choices": [8, 16]}}
    config = {"models": {"text": {}}, "data": {"demo": {}}, "search": {"space": space, "num_trials": 3}}
    (tmp_path / "search.yaml").write_text(json.dumps(config), encoding="utf-8")
    parser = experiment.parser()
    built = parser.instantiate_classes(parser.parse_args(["--config", str(tmp_path / "search.yaml")]))
    expected = {"model.x": Range(1e-6, 1e-3, log=True), "data.init_args.batch_size": Range(choices=[8, 16])}
    assert built.search == replace(Search(expected), num_trials=3)

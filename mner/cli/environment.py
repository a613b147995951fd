"""Where and when a training ran: date, versions of the packages, processor and devices."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import torch
from pytorch_lightning import Trainer

from mner import __version__

PACKAGES = ("torch", "pytorch-lightning", "transformers", "timm")


def environment(trainer: Trainer) -> dict[str, str]:
    """Describe the machine and the versions, by name; without the name of the machine or of its user.

    Args:
        trainer: The trainer, for its devices.
    """
    devices = trainer.num_devices * trainer.num_nodes
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "device": f"{devices} x {_device(trainer)}" if devices > 1 else _device(trainer),
        "threads": str(torch.get_num_threads()),
        "Python": platform.python_version(),
        "mner": __version__,
        **{package: version(package) for package in PACKAGES},
    }


def _device(trainer: Trainer) -> str:
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    """The processor's name, which Python's own function leaves out on Linux."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.is_file() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()

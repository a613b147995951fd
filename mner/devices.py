"""Resolving an ``--accelerator`` option to a PyTorch device."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mner.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

ACCELERATOR_HELP = "The device: auto, cpu, cuda or mps; cuda:1 selects one of several GPUs."


def device_of(accelerator: str | torch.device = "auto") -> torch.device:
    """Return the device to run on.

    Args:
        accelerator: ``auto`` for a GPU if there is one and the CPU otherwise, ``gpu``, or a device of PyTorch: ``cpu``,
            ``cuda``, ``cuda:1``, ``mps``. Processes that a launcher such as ``torchrun`` started share the GPUs.

    Raises:
        ConfigurationError: If there is no such device.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if accelerator in ("auto", "gpu"):
        kind = next(kind for kind, there in available.items() if there)
        if accelerator == "gpu" and kind == "cpu":
            raise ConfigurationError("expected a GPU for the accelerator 'gpu', found none; use auto or cpu")
        accelerator = kind
    try:
        device = torch.device(accelerator)
    except (RuntimeError, TypeError):
        device = None
    if device is None or not available.get(device.type, False) or (device.type != "cuda" and device.index):
        raise ConfigurationError(
            f"no device {str(accelerator)!r}; expected auto, or one of those available: "
            f"{', '.join(kind for kind, there in available.items() if there)}"
        )
    if device.type == "cuda":
        count = torch.cuda.device_count()
        index = int(os.environ.get("LOCAL_RANK", 0)) % count if device.index is None else device.index
        if index >= count:
            raise ConfigurationError(f"no device {str(accelerator)!r}; there are {count} GPUs, counted from 0")
        device = torch.device("cuda", index)
    return device

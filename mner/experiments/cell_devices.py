"""The devices of the cells that run at a time on this machine."""

from __future__ import annotations

import os

from mner.errors import ConfigurationError


def cell_devices(jobs: int | None, gpus_per_cell: float | None = None) -> list[str | None]:
    """List the devices of each cell that runs at a time: the visible CUDA devices in turn, or the processor.

    Numbers, UUIDs (``GPU-...``) and MIG ids (``MIG-...``) of ``CUDA_VISIBLE_DEVICES`` are passed on as they are.

    Args:
        jobs: Number of cells that run at a time; by default as many as there are groups of ``gpus_per_cell`` devices.
        gpus_per_cell: Devices per cell; by default one, or none on a machine without any.

    Returns:
        A value of ``CUDA_VISIBLE_DEVICES`` per cell, ``None`` on a machine without CUDA devices.

    Raises:
        ConfigurationError: If the machine does not have as many devices.
    """
    import torch  # which takes seconds, and --dry_run needs it not

    visible = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
    count = torch.cuda.device_count()
    are_slices = bool(visible) and all(each.startswith("MIG-") for each in visible)
    # A process sees a single MIG slice, so that CUDA counts one of them.
    names = visible if are_slices and count else list(visible[:count] or map(str, range(count)))
    usable = min(1, len(names)) if are_slices else len(names)
    each = min(1, usable) if gpus_per_cell is None else gpus_per_cell
    if each != int(each) or not 0 <= each <= usable:
        raise ConfigurationError(
            f"expected gpus_per_cell to be a whole number up to {usable}, what a training on this machine can use, got "
            f"{each:g}; to share a device, give --jobs, or --engine ray"
        )
    size = int(each)
    groups: list[str | None] = [None if not names else ""]  # an empty list of devices hides those that exist
    if size:
        groups = [",".join(names[place : place + size]) for place in range(0, len(names) - size + 1, size)]
    return [groups[job % len(groups)] for job in range(jobs or len(groups))]

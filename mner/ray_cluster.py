"""The connection to a Ray cluster: that of ``RAY_ADDRESS``, or one on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from mner.errors import ConfigurationError
from mner.extras import extra

OBJECT_STORE_BYTES = 200 * 2**20
"""Shared memory of a cluster on this machine; Ray would take 30% of it."""


def import_ray() -> Any:
    """Import Ray.

    Raises:
        ConfigurationError: If it is not installed.
    """
    with extra("ray", "--engine ray"):
        import ray
    return ray


def connect(num_cpus: int | None = None) -> None:
    """Connect to the cluster of ``RAY_ADDRESS``, or start one on this machine that ends with the process.

    Args:
        num_cpus: CPU cores that a cluster on this machine may use; all of them by default.

    Raises:
        ConfigurationError: If Ray is not installed or the cluster cannot be reached.
    """
    ray = import_ray()
    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS")
    local: dict[str, Any] = {
        "address": "local",
        "num_cpus": num_cpus,
        "object_store_memory": OBJECT_STORE_BYTES,
        "include_dashboard": False,
    }
    try:
        ray.init(**({"address": address} if address else local), logging_level=logging.WARNING, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"{address}; is RAY_AUTH_MODE the same as where it was started?" if address else "on this machine"
        raise ConfigurationError(f"cannot reach the Ray cluster {where} ({error})") from error


def check_resources(amounts: Mapping[str, float]) -> None:
    """Check amounts of CPUs or GPUs by the names of their options: Ray shares one device, and grants several whole.

    Raises:
        ConfigurationError: If one is negative, or above 1 and not whole.
    """
    for name, amount in amounts.items():
        if not amount >= 0 or (amount > 1 and amount != int(amount)):
            raise ConfigurationError(f"expected {name} to be a whole number, or a fraction of 1, got {amount:g}")

"""Trainings as tasks of a Ray cluster, which places them on machines and devices and repeats those that it loses."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mner.errors import ConfigurationError
from mner.experiments.engine import LOCK, LOG_FILE, Ended, Engine, Job
from mner.experiments.local_engine import PATIENCE, start_process, stop_process
from mner.ray_cluster import check_resources, connect, import_ray

POLL = 0.2
"""Seconds between two looks at a process."""


class RayEngine(Engine):
    """Tasks of a Ray cluster: that of ``RAY_ADDRESS``, or one on this machine.

    The experiment's folder must be on a file system that all machines share, at the same path, and mner be installed on
    all of them. A task that is lost with its machine, for example to pre-emption, is resumed on another one.

    Args:
        cpus: CPU cores per training.
        gpus: GPUs per training; a fraction shares one.
        jobs: Maximum number of trainings at a time; ``None`` for as many as fit into the cluster.
        max_retries: How often a training is repeated if its machine or worker is lost; -1 always does.

    Raises:
        ConfigurationError: If Ray is not installed, the cluster cannot be reached, or a training does not fit into it.
    """

    def __init__(self, cpus: float = 1, gpus: float = 0, jobs: int | None = None, max_retries: int = 3) -> None:
        check_resources({"cpus_per_cell": cpus, "gpus_per_cell": gpus})
        if max_retries < -1:
            raise ConfigurationError(f"expected max_retries of 0 or more, or -1 for no limit, got {max_retries}")
        self.cpus = cpus
        self.gpus = gpus
        self.jobs = jobs
        ray = import_ray()
        connect()
        self._task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=max_retries)(run_process)
        total = ray.cluster_resources()
        if jobs is None and (total.get("CPU", 0) < cpus or total.get("GPU", 0) < gpus):
            raise ConfigurationError(
                f"a training needs {cpus:g} CPUs and {gpus:g} GPUs, and the cluster has {total.get('CPU', 0):g} and "
                f"{total.get('GPU', 0):g}; lower --cpus_per_cell or --gpus_per_cell, or give --jobs for a cluster that "
                "adds machines on demand"
            )

    @property
    def slots(self) -> int:
        """As many as fit into the cluster now, or ``jobs``; Ray queues what does not fit."""
        if self.jobs is not None:
            return self.jobs
        total = import_ray().cluster_resources()
        fit = [total.get(name, 0) / each for name, each in (("CPU", self.cpus), ("GPU", self.gpus)) if each]
        return max(1, int(min(fit, default=1)))

    def start(self, command: Sequence[str], folder: Path) -> Job:
        """Submit a task."""
        environment = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        if self.cpus >= 1:
            environment["OMP_NUM_THREADS"] = str(int(self.cpus))
        return RayJob(self._task.remote(list(command), str(folder), environment, str(Path.cwd())), folder)


class RayJob(Job):
    """A task of a Ray cluster.

    Args:
        task: The reference to its result.
        folder: The training's folder.
    """

    def __init__(self, task: Any, folder: Path) -> None:
        self.task = task
        self.folder = folder

    def poll(self) -> Ended | None:
        """Return how the task ended, if it has; one that Ray gave up has the reason in its log."""
        ray = import_ray()
        if not ray.wait([self.task], timeout=0)[0]:
            return None
        try:
            return Ended(*ray.get(self.task))
        except ray.exceptions.RayError as error:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / LOG_FILE).open("a", encoding="utf-8") as log:
                log.write(f"\nmner fit: error: Ray lost the training: {error}\n")
            return Ended(1, 0.0)

    def stop(self) -> None:
        """Cancel the task and wait for its end."""
        ray = import_ray()
        ray.cancel(self.task)
        ray.wait([self.task], timeout=60)


def run_process(command: list[str], folder: str, environment: Mapping[str, str], cwd: str) -> tuple[int, float]:
    """Run a command on a machine of the cluster, with that machine's Python.

    Returns:
        Its exit status, and the seconds that it ran.
    """
    lock = Path(cwd) / folder / LOCK
    if lock.exists():  # a training whose worker was lost is being told to stop
        with suppress(Timeout), FileLock(lock, timeout=PATIENCE):
            pass
    started = time.perf_counter()
    process = start_process([sys.executable, *command[1:]], Path(cwd) / folder, environment, cwd)
    try:
        while process.poll() is None:
            time.sleep(POLL)  # in Python, where the interrupt of a cancelled task arrives
    finally:
        if process.poll() is None:
            stop_process(process)
    return process.returncode, time.perf_counter() - started

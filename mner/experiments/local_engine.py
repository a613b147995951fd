"""Trainings as processes of this machine, a device or several for each."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mner.experiments.engine import COMMAND_FILE, LOG_FILE, Ended, Engine, Job
from mner.output_paths import output_errors

PATIENCE = 30.0
"""Seconds in which a training that is told to stop may save a checkpoint."""
_SIGNAL_ON_DEATH_OF_PARENT = 1  # PR_SET_PDEATHSIG of Linux
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class LocalEngine(Engine):
    """Processes of this machine.

    Args:
        devices: One item per training that runs at a time: the value of ``CUDA_VISIBLE_DEVICES``, which may be indices,
            UUIDs (``GPU-...``) or MIG ids (``MIG-...``), or ``None`` for the CPU.
    """

    def __init__(self, devices: Sequence[str | None] = (None,)) -> None:
        self.devices = list(devices)
        self._free = list(devices)

    @property
    def slots(self) -> int:
        """One training per item of ``devices``."""
        return len(self.devices)

    def start(self, command: Sequence[str], folder: Path) -> Job:
        """Start a process on the next free device."""
        device = self._free[0]
        process = start_process(command, folder, self._environment(device))
        self._free.remove(device)
        return LocalJob(process, self._free, device)

    def _environment(self, device: str | None) -> dict[str, str]:
        if device is not None:
            return {"CUDA_VISIBLE_DEVICES": device}
        share = max(1, (os.cpu_count() or 1) // self.slots)
        return {"OMP_NUM_THREADS": str(share)} if self.slots > 1 else {}


class LocalJob(Job):
    """A process of this machine.

    Args:
        process: The process.
        free: Devices that are free, to which the job returns its own.
        device: The device of the process.
    """

    def __init__(self, process: subprocess.Popen[bytes], free: list[str | None], device: str | None) -> None:
        self.process = process
        self._free = free
        self._device = device
        self._started = time.perf_counter()
        self._ended: Ended | None = None

    def poll(self) -> Ended | None:
        """Return how the process ended, if it has; its device is then free."""
        status = self.process.poll()
        if status is not None and self._ended is None:
            self._ended = Ended(status, time.perf_counter() - self._started)
            self._free.append(self._device)
        return self._ended

    def stop(self) -> None:
        """Terminate the process; kill it if it does not end."""
        stop_process(self.process)
        self.poll()


def start_process(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], cwd: str | None = None
) -> subprocess.Popen[bytes]:
    """Start a training with its output in ``log.txt`` of its folder.

    Args:
        command: The Python interpreter and the arguments of an ``mner fit``.
        folder: Its run folder. What an earlier attempt left in it is deleted, except by a training of the same command
            that was killed after it had written a checkpoint: that one is resumed.
        environment: Variables that differ from those of this process.
        cwd: Working directory.
    """
    text = shlex.join(command[1:]) + "\n"  # without the interpreter, which differs between the machines of a cluster
    resumed = _was_killed(folder, text)
    if not resumed:
        shutil.rmtree(folder, ignore_errors=True)
    with output_errors(folder, always=True):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / COMMAND_FILE).write_text(text, encoding="utf-8")
    with (folder / LOG_FILE).open("ab") as log:
        return subprocess.Popen(
            [*command, *["--resume", "auto"] * resumed],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            cwd=cwd,
            preexec_fn=_end_with_parent,
        )


def _was_killed(folder: Path, command: str) -> bool:
    """Whether a folder has the checkpoint of an interrupted training of the same command."""
    try:
        same = (folder / COMMAND_FILE).read_text(encoding="utf-8") == command
    except (OSError, ValueError):
        return False
    states = (path for path in folder.rglob("*.ckpt") if path.name != "best.ckpt")
    return same and not {"--ckpt_path", "--resume"} & {*shlex.split(command)} and any(states)


def _end_with_parent() -> None:
    """Let the kernel terminate this process when its runner dies, even by SIGKILL; elsewhere it runs to its end."""
    if _libc is not None:
        _libc.prctl(_SIGNAL_ON_DEATH_OF_PARENT, signal.SIGTERM)


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process and wait for its end; kill it if it takes too long."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

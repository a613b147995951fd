"""Durations of steps that take turns, so that other load on the machine affects all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch


def seconds(step: Callable[[], object], device: str) -> float:
    """Measure the duration of a step: processor time on a CPU, time until the device is done on a GPU."""
    if device == "cpu":
        begin = time.process_time()
        step()
        return time.process_time() - begin
    torch.cuda.synchronize()
    begin = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - begin


def in_turn(steps: Mapping[str, Callable[[], object]], rounds: int, device: str) -> dict[str, list[float]]:
    """Measure each step once per round, after a run of each that is not measured, since the first one also allocates.

    Returns:
        The durations of each step in seconds, by its name.
    """
    for step in steps.values():
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(seconds(step, device))
    return times

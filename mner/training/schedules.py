"""Building the optimizer and the learning-rate schedule of an ``Optimization``, for ``configure_optimizers``."""

from __future__ import annotations

import difflib
import inspect
import math
import sys
from typing import Any

import torch
from torch.optim import Optimizer, lr_scheduler

from mner.errors import ConfigurationError
from mner.training.optimization import Optimization

ENDLESS = ("constant", "constant_with_warmup", "inverse_sqrt", "reduce_lr_on_plateau")
"""Schedules of ``transformers`` that do not need the number of training steps."""
HALF_PRECISION_EPS = 1e-4
"""``eps`` for float16 parameters, where the default 1e-8 underflows to a division by zero at a zero gradient."""


def optimizer_and_scheduler(
    optimization: Optimization, groups: list[dict[str, Any]], steps: float, monitor: str, fused: bool
) -> dict[str, Any]:
    """Build the optimizer and the schedule.

    Args:
        optimization: Names and arguments of both.
        groups: Parameter groups with their learning rates.
        steps: Number of optimizer steps of the whole training, infinite if unknown.
        monitor: The metric that ``ReduceLROnPlateau`` reads.
        fused: Use the fused kernel where the optimizer has one, unless overridden by ``optimizer_arguments``.

    Returns:
        The return value of ``LightningModule.configure_optimizers``.

    Raises:
        ConfigurationError: If there is no such class, it does not take these arguments, or the schedule needs the
            length of the training and that is not known.
    """
    cls = _named_class(optimization.optimizer, torch.optim, Optimizer, "optimizer")
    arguments = dict(optimization.optimizer_arguments)
    options = inspect.signature(cls).parameters
    if "eps" in options and any(each.dtype == torch.float16 for group in groups for each in group["params"]):
        arguments.setdefault("eps", HALF_PRECISION_EPS)
    if fused and "fused" in options:
        arguments.setdefault("fused", not {"foreach", "differentiable"} & arguments.keys())
    optimizer = _build(cls, "optimizer", groups, **arguments)
    scheduler = _scheduler(optimization, optimizer, steps)
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "monitor": monitor, "interval": "epoch", "strict": False},
        }
    interval = "step" if _is_transformers(optimization.scheduler) else optimization.scheduler_interval
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}


def _scheduler(optimization: Optimization, optimizer: Optimizer, steps: float) -> Any:
    name, arguments = optimization.scheduler, optimization.scheduler_arguments
    if not _is_transformers(name):
        if optimization.warmup_ratio:
            raise ConfigurationError(
                f"optimization.warmup_ratio applies to the schedules of transformers, but {name} is not one of them; "
                "set warmup_ratio to 0, or choose one of those, for example linear or cosine"
            )
        cls = _named_class(name, lr_scheduler, lr_scheduler.LRScheduler, "scheduler")
        return _build(cls, "scheduler", optimizer, **arguments)
    if math.isinf(steps) and (name not in ENDLESS or optimization.warmup_ratio):
        raise ConfigurationError(
            f"the schedule {name!r} needs the length of the training, got max_epochs=-1; give max_epochs or max_steps, "
            "or set optimization.scheduler to constant and warmup_ratio to 0"
        )
    from transformers import get_scheduler

    total = None if math.isinf(steps) else int(steps)
    warmup = math.ceil(optimization.warmup_ratio * total) if total else 0
    return _build(get_scheduler, "scheduler", name, optimizer, warmup, total, dict(arguments))


def _is_transformers(name: str) -> bool:
    from transformers import SchedulerType

    return name in {each.value for each in SchedulerType}


def _named_class(name: str, home: Any, base: type, kind: str) -> Any:
    """Return a class of ``home`` by name, or any subclass of ``base`` by its dotted path."""
    module, _, last = name.rpartition(".")
    # Optimization has imported the module, unless it came from a checkpoint, which imports none.
    found = getattr(sys.modules.get(module), last, None) if module else getattr(home, name, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        known = [each for each, value in vars(home).items() if isinstance(value, type) and issubclass(value, base)]
        if kind == "scheduler":
            from transformers import SchedulerType

            known += [each.value for each in SchedulerType]
        close = difflib.get_close_matches(name, known)
        meant = f"did you mean {' or '.join(close)}? Give" if close else "give"
        raise ConfigurationError(
            f"there is no {kind} {name!r}; {meant} your own class by its dotted path, my_module.{name}"
        )
    return found


def _build(cls: Any, kind: str, *arguments: Any, **keywords: Any) -> Any:
    try:
        return cls(*arguments, **keywords)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"optimization.{kind}: {error}; correct {kind}_arguments") from error

"""A search over options of ``mner fit``: ranges, and Optuna's sampler, pruner and storage."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from mner.errors import ConfigurationError
from mner.experiments.grid import check_options
from mner.extras import extra

_EXHAUSTIVE = ("GridSampler", "BruteForceSampler")


@dataclass(frozen=True)
class Range:
    """The values of an option: from ``low`` to ``high``, or one of ``choices``.

    Args:
        low: Lowest value; whole numbers are sampled if ``low``, ``high`` and ``step`` are whole.
        high: Highest value.
        step: Distance between values.
        log: Sample the logarithm uniformly, as for learning rates.
        choices: The values, instead of a range.

    Raises:
        ConfigurationError: If the range is empty, or has both bounds and choices.
    """

    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = None
    log: bool = False
    choices: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        """Check that it contains a value."""
        if self.choices is not None:
            if not self.choices or (self.low, self.high, self.step, self.log) != (None, None, None, False):
                raise ConfigurationError(f"expected low and high, or choices, got {self}")
        elif self.low is None or self.high is None or self.low > self.high or (self.log and self.low <= 0):
            raise ConfigurationError(f"expected low <= high, and low above 0 with log, got {self}")
        elif self.log and self.step is not None:
            raise ConfigurationError(f"expected log or step, not both, got {self}")

    def distribution(self) -> Any:
        """Build Optuna's description of the range."""
        from optuna import distributions

        if self.choices is not None:
            scalars = (type(None), bool, int, float, str)
            return distributions.CategoricalDistribution(
                [each if isinstance(each, scalars) else json.dumps(each) for each in self.choices]
            )
        assert self.low is not None
        assert self.high is not None
        if all(isinstance(each, int) for each in (self.low, self.high, 1 if self.step is None else self.step)):
            step = 1 if self.step is None else int(self.step)
            return distributions.IntDistribution(int(self.low), int(self.high), self.log, step)
        return distributions.FloatDistribution(float(self.low), float(self.high), self.log, self.step)


@dataclass(frozen=True)
class Search:
    """A search for the options with the best validation score, for every model, data set and fraction of a grid.

    A trial trains one choice of options with every seed of the grid; its value is the mean over seeds of the best
    ``monitor`` of a training. One with a seed whose scores are all NaN has no value, and counts as pruned.

    Args:
        space: Range of each option, for example ``{"model.init_args.optimization.lr": {low: 1e-6, high: 1e-3, log:
            true}}``.
        num_trials: Number of trials per model, data set and fraction.
        sampler: A sampler of Optuna, or the dotted path of another one.
        sampler_arguments: Its arguments.
        pruner: A pruner of Optuna, which stops hopeless trials by the validation scores of their first seed; null stops
            none.
        pruner_arguments: Its arguments.
        seed: Seed of the sampler. One trial at a time, an interrupted search draws the same trials as a complete one.
        monitor: The metric, as it is logged after each validation.
        direction: Whether the metric is maximised or minimised.
        storage: URL of Optuna's storage; by default ``search.db`` in the run folder.
        study_name: Prefix of the studies' names, which distinguishes searches in one storage.

    Raises:
        ConfigurationError: If there is no option or no trial, or an option is malformed or set by the grid.
    """

    space: Mapping[str, Range]
    num_trials: int = 20
    sampler: str = "TPESampler"
    sampler_arguments: Mapping[str, Any] = field(default_factory=dict)
    pruner: str | None = "MedianPruner"
    pruner_arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    monitor: str = "val/f1"
    direction: Literal["maximize", "minimize"] = "maximize"
    storage: str | None = None
    study_name: str = ""

    def __post_init__(self) -> None:
        """Check the numbers and the names."""
        if not self.space or self.num_trials < 1:
            raise ConfigurationError(
                "expected at least one option in the space of a search, and num_trials of 1 or more"
            )
        check_options(self.space)
        if self.sampler.rpartition(".")[2] in _EXHAUSTIVE:
            raise ConfigurationError(f"{self.sampler} tries all values; give them as axes of a grid")

    def study(self, name: str, default_storage: str) -> Any:
        """Create the study of a model, data set and fraction, or load it from the storage.

        Raises:
            ConfigurationError: If Optuna is not installed, or the sampler, the pruner or the storage cannot be used.
        """
        optuna = import_optuna()
        from sqlalchemy.exc import SQLAlchemyError

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        pruner = "NopPruner" if self.pruner is None else self.pruner
        try:
            study = optuna.create_study(
                storage=self.storage or default_storage,
                study_name=f"{self.study_name}/{name}" if self.study_name else name,
                direction=self.direction,
                pruner=_named(pruner, "optuna.pruners")(**self.pruner_arguments),
                load_if_exists=True,
            )
        except (TypeError, ValueError, ImportError, SQLAlchemyError, optuna.exceptions.OptunaError) as error:
            raise ConfigurationError(f"the search cannot be set up: {error}") from error
        found = study.direction.name.lower()
        if found != self.direction:  # which Optuna ignores
            raise ConfigurationError(
                f"the study {study.study_name} is there already, with the direction {found}; give the search another "
                "study_name or run folder, or that direction"
            )
        return study

    def ask(self, study: Any, number: int) -> Any:
        """Draw the next trial.

        Args:
            study: The study.
            number: Number of trials drawn before, without repetitions of interrupted ones.
        """
        arguments = dict(self.sampler_arguments)
        # The points of a quasi-random sequence depend on one seed.
        is_sequence = self.sampler.rpartition(".")[2] == "QMCSampler"
        arguments.setdefault("seed", self.seed if is_sequence else self.seed + number)
        try:
            # A sampler with its first seed would draw its first values again after an interruption.
            study.sampler = _named(self.sampler, "optuna.samplers")(**arguments)
        except (TypeError, ValueError, ImportError) as error:
            raise ConfigurationError(f"the sampler {self.sampler} cannot be used: {error}") from error
        try:
            return study.ask({option: each.distribution() for option, each in self.space.items()})
        except ValueError as error:
            raise ConfigurationError(
                f"the sampler {self.sampler} cannot draw a trial of {study.study_name}: {error}. A changed space needs "
                "another study_name or run folder"
            ) from error


def import_optuna() -> Any:
    """Import Optuna.

    Raises:
        ConfigurationError: If it is not installed.
    """
    with extra("search", "a search"):
        import optuna
    return optuna


def _named(name: str, package: str) -> Any:
    """Find a class by its name in a package, or by its dotted path."""
    module, _, cls = name.rpartition(".")
    found = getattr(import_module(module or package), cls, None)
    if found is None:
        raise ConfigurationError(f"{module or package} has no {cls}; give the name of one of its classes")
    return found

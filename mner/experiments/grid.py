"""A grid of experiments, and the ``mner fit`` command that each of its cells stands for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from mner.argument_types import MAX_SEED
from mner.errors import ConfigurationError
from mner.file_names import file_names
from mner.shipped_configs import find_config

_OPTION = re.compile(r"[A-Za-z_][\w.]*")
_SET_BY_AXES = ("seed_everything", "data.init_args.seed", "data.init_args.train_fraction", "run_folder")


@dataclass(frozen=True)
class Part:
    """What one value of an axis adds to the command of its cells.

    Args:
        configs: Config files, in order; a later one overrides an earlier one.
        options: Options of ``mner fit`` by their full name, for example ``{"trainer.max_epochs": 5}``.
    """

    configs: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One training of a grid.

    Args:
        model: Name of the model.
        data: Name of the data set.
        seed: Seed of weights, batches and the choice of training posts.
        fraction: Fraction of the training posts.
        arguments: Arguments of the ``mner fit`` command, without the run folder.
    """

    model: str
    data: str
    seed: int
    fraction: float
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """Models x data sets x seeds x training fractions, and any options as further axes.

    The configs of a cell's command come in the order model, data set, fraction, then those of the grid itself; the
    options likewise, and all options override all configs. The seed is that of Lightning and of the data module.

    Args:
        models: Configs and options of each model, by name.
        data: Configs and options of each data set, by name.
        seeds: One training each.
        fractions: Fractions of the training posts; for one seed a smaller one is a subset of a larger one.
        fraction_parts: What some fractions add, for example more epochs where there are fewer posts.
        configs: Configs of every cell, after those of model and data set.
        options: Options of every cell.
        axes: Values of options, for example ``{"model.init_args.optimization.lr": [1e-5, 3e-5]}``. Every model is
            trained with every combination, under a name such as ``text-lr_1e-05``.

    Raises:
        ConfigurationError: If an axis is empty, or two of its values have the same folder; if a name cannot name a
            folder, or a seed or fraction is out of range; if an option is malformed, or set by an axis.
    """

    models: Mapping[str, Part]
    data: Mapping[str, Part]
    seeds: Sequence[int] = (1, 2, 3)
    fractions: Sequence[float] = (1.0,)
    fraction_parts: Mapping[float, Part] = field(default_factory=dict)
    configs: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the axes."""
        axes: dict[str, Any] = {
            "models": self.models,
            "data": self.data,
            "seeds": self.seeds,
            "fractions": self.fractions,
        }
        for name, values in axes.items():
            if not values or len(set(values)) < len(values):
                raise ConfigurationError(f"expected {name} with at least one value, none of them twice, got {values}")
        for name, values in self.axes.items():
            if not isinstance(values, Sequence) or isinstance(values, str) or len(set(map(word, values))) < len(values):
                raise ConfigurationError(f"expected a list of different values of {name}, got {values!r:.60}")
            if not values:
                raise ConfigurationError(f"expected at least one value of {name}, got none")
        for names in (self.models, self.data):
            for name, allowed in zip(names, file_names(map(str, names)), strict=True):
                if name != allowed:
                    raise ConfigurationError(
                        f"expected names that can be folders, distinct on every system, got {name!r:.60}; for "
                        f"example {allowed!r:.60}"
                    )
        if not all(type(seed) is int and 0 <= seed <= MAX_SEED for seed in self.seeds):
            raise ConfigurationError(f"expected seeds from 0 to {MAX_SEED:,}, got {list(self.seeds)}")
        if not all(0 < fraction <= 1 for fraction in self.fractions):
            raise ConfigurationError(f"expected fractions above 0 and up to 1, got {list(self.fractions)}")
        if len({f"{fraction:g}" for fraction in self.fractions}) < len(self.fractions):
            raise ConfigurationError(f"expected fractions that differ in six digits, got {list(self.fractions)}")
        check_options(option for part in self._parts() for option in part.options)
        strange = set(self.fraction_parts) - set(self.fractions)
        if strange:
            raise ConfigurationError(f"fraction_parts names {sorted(strange)}, which are not among the fractions")

    def __len__(self) -> int:
        """Count the cells."""
        return len(self.variants) * len(self.data) * len(self.seeds) * len(self.fractions)

    @property
    def variants(self) -> dict[str, Part]:
        """The models with the options of every combination of the axes, by name."""
        if not self.axes:
            return dict(self.models)
        short = short_names(self.axes)
        variants = {}
        for (model, part), values in product(self.models.items(), product(*self.axes.values())):
            chosen = dict(zip(self.axes, values, strict=True))
            name = "-".join([model, *(f"{short[axis]}_{word(value)}" for axis, value in chosen.items())])
            variants[name] = Part(part.configs, {**part.options, **chosen})
        return dict(zip(file_names(variants), variants.values(), strict=True))

    def cells(self) -> Iterator[Cell]:
        """The cells, one seed after the other, so that an unfinished grid covers every model and data set."""
        for seed, fraction, data, (model, part) in product(
            self.seeds, self.fractions, self.data, self.variants.items()
        ):
            yield self.cell(model, part, data, seed, fraction)

    def cell(
        self, name: str, model: Part, data: str, seed: int, fraction: float, options: Mapping[str, Any] | None = None
    ) -> Cell:
        """Build a cell of a model that need not be one of ``models``.

        Args:
            name: Name of the model.
            model: Its configs and options.
            data: Name of the data set.
            seed: The seed.
            fraction: Fraction of the training posts.
            options: Further options, which override all others.
        """
        return Cell(name, data, seed, fraction, self._arguments(model, data, seed, fraction, options or {}))

    def check_configs(self) -> None:
        """Refuse a grid that names a missing config, before its first cell runs.

        Raises:
            ConfigurationError: If a config is neither a file nor the name of a shipped one.
        """
        for config in (config for part in self._parts() for config in part.configs):
            find_config(config)

    def _parts(self) -> list[Part]:
        parts = [*self.models.values(), *self.data.values(), *self.fraction_parts.values()]
        return [*parts, Part(self.configs, self.options), Part(options=self.axes)]

    def _arguments(
        self, model: Part, data: str, seed: int, fraction: float, last: Mapping[str, Any]
    ) -> tuple[str, ...]:
        parts = [model, self.data[data], self.fraction_parts.get(fraction, Part())]
        configs = [config for part in parts for config in part.configs] + list(self.configs)
        options = {**self.options, **{name: value for part in parts for name, value in part.options.items()}}
        options |= {
            **last,
            "seed_everything": seed,
            "data.init_args.seed": seed,
            "data.init_args.train_fraction": fraction,
        }
        words = [each for config in configs for each in ("--config", config)]
        return tuple(words + [each for name, value in options.items() for each in (f"--{name}", word(value))])


def check_options(options: Iterable[str]) -> None:
    """Reject names that are not options of ``mner fit``, or that a grid sets itself.

    Raises:
        ConfigurationError: Names the option.
    """
    for option in options:
        if not _OPTION.fullmatch(option):
            raise ConfigurationError(f"expected options such as trainer.max_epochs, without --, got {option!r}")
        if option in _SET_BY_AXES:
            raise ConfigurationError(f"the option {option} is set by the grid; use its seeds, fractions, run_folder")


def short_names(options: Iterable[str]) -> dict[str, str]:
    """Shorten options to as many of their last parts as distinguish them.

    Example:
        >>> short_names(["model.init_args.dropout", "model.init_args.optimization.lr"])
        {'model.init_args.dropout': 'dropout', 'model.init_args.optimization.lr': 'lr'}
    """
    names = {}
    all_options = [option.split(".") for option in options]
    for parts in all_options:
        lengths = (length for length in range(1, len(parts) + 1))
        length = next(
            (each for each in lengths if sum(other[-each:] == parts[-each:] for other in all_options) == 1), len(parts)
        )
        names[".".join(parts)] = ".".join(parts[-length:])
    return names


def word(value: Any) -> str:
    """Write a value as an argument of a command: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)

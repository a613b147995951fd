"""A grid of experiments, and the ``mner fit`` command that each of its cells stands for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from mner.errors import ConfigurationError
from mner.file_names import file_names
from mner.shipped_configs import find_config

_OPTION = re.compile(r"[A-Za-z_][\w.]*")
_SET_BY_AXES = ("seed_everything", "data.init_args.seed", "data.init_args.train_fraction", "run_folder")
_MAX_SEED = 2**32 - 1


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
    """Models x data sets x seeds x training fractions.

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

    def __post_init__(self) -> None:
        """Check the axes."""
        axes = {"models": self.models, "data": self.data, "seeds": self.seeds, "fractions": self.fractions}
        for name, values in axes.items():
            if not values or len(set(values)) < len(values):
                raise ConfigurationError(f"expected {name} with at least one value, none of them twice, got {values}")
        for names in (self.models, self.data):
            for name, allowed in zip(names, file_names(map(str, names)), strict=True):
                if name != allowed:
                    raise ConfigurationError(
                        f"expected names that can be folders, distinct on every system, got {name!r:.60}; for "
                        f"example {allowed!r:.60}"
                    )
        if not all(type(seed) is int and 0 <= seed <= _MAX_SEED for seed in self.seeds):
            raise ConfigurationError(f"expected seeds from 0 to {_MAX_SEED}, got {list(self.seeds)}")
        if not all(0 < fraction <= 1 for fraction in self.fractions):
            raise ConfigurationError(f"expected fractions above 0 and up to 1, got {list(self.fractions)}")
        if len({f"{fraction:g}" for fraction in self.fractions}) < len(self.fractions):
            raise ConfigurationError(f"expected fractions that differ in six digits, got {list(self.fractions)}")
        for option in (option for part in self._parts() for option in part.options):
            if not _OPTION.fullmatch(option):
                raise ConfigurationError(f"expected options such as trainer.max_epochs, without --, got {option!r}")
            if option in _SET_BY_AXES:
                raise ConfigurationError(
                    f"the option {option} is set by the grid; use its seeds, fractions, run_folder"
                )
        strange = set(self.fraction_parts) - set(self.fractions)
        if strange:
            raise ConfigurationError(f"fraction_parts names {sorted(strange)}, which are not among the fractions")

    def __len__(self) -> int:
        """Count the cells."""
        return len(self.models) * len(self.data) * len(self.seeds) * len(self.fractions)

    def cells(self) -> Iterator[Cell]:
        """The cells, one seed after the other, so that an unfinished grid covers every model and data set."""
        for seed, fraction, data, model in product(self.seeds, self.fractions, self.data, self.models):
            yield Cell(model, data, seed, fraction, self._arguments(model, data, seed, fraction))

    def check_configs(self) -> None:
        """Refuse a grid that names a missing config, before its first cell runs.

        Raises:
            ConfigurationError: If a config is neither a file nor the name of a shipped one.
        """
        for config in (config for part in self._parts() for config in part.configs):
            find_config(config)

    def _parts(self) -> list[Part]:
        parts = [*self.models.values(), *self.data.values(), *self.fraction_parts.values()]
        return [*parts, Part(self.configs, self.options)]

    def _arguments(self, model: str, data: str, seed: int, fraction: float) -> tuple[str, ...]:
        parts = [self.models[model], self.data[data], self.fraction_parts.get(fraction, Part())]
        configs = [config for part in parts for config in part.configs] + list(self.configs)
        options = {**self.options, **{name: value for part in parts for name, value in part.options.items()}}
        options |= {"seed_everything": seed, "data.init_args.seed": seed, "data.init_args.train_fraction": fraction}
        words = [word for config in configs for word in ("--config", config)]
        return tuple(words + [word for name, value in options.items() for word in (f"--{name}", _word(value))])


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

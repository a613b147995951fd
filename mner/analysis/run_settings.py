"""Settings, versions and hardware of trainings, from the files in their run folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from mner.analysis.systems import Run
from mner.errors import DataError
from mner.post_json import from_json

ENVIRONMENT_FILE = "environment.json"
"""What ``mner fit`` writes into a run folder: date, versions, processor and devices."""
SETTINGS = {
    "text encoder": "model.init_args.text_encoder.init_args.name",
    "batch size": "data.init_args.batch_size",
    "epochs": "trainer.max_epochs",
    "learning rate": "model.init_args.optimization.lr",
    "precision": "trainer.precision",
}
"""Where a config has them."""


def run_settings(runs: Sequence[Run]) -> dict[str, str]:
    """Describe the trainings of a system; values that differ between its seeds are listed.

    Args:
        runs: The runs of the system. What the folder of a run does not say is left out.
    """
    found = [_settings(run.result.predictions.parent) for run in runs if run.result.predictions is not None]
    seconds = [run.result.seconds for run in runs if run.result.seconds is not None]
    settings = {
        name: _listed(each.get(name) for each in found) for name in dict.fromkeys(n for each in found for n in each)
    }
    if seconds:
        settings["minutes"] = f"{sum(seconds) / len(seconds) / 60:.1f}"
    return settings


def _settings(folder: Path) -> dict[str, str]:
    """Read the settings next to predictions, as far as the files are those of a run."""
    options = _content(folder / "config.yaml", yaml.safe_load)
    environment = _content(folder / ENVIRONMENT_FILE, from_json)
    settings = {name: str(value) for name, path in SETTINGS.items() if (value := _at(options, path)) is not None}
    return settings | {name: str(value) for name, value in environment.items()}


def _content(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, DataError):
        return {}
    return content if isinstance(content, dict) else {}


def _at(options: Any, path: str) -> Any:
    for name in path.split("."):
        options = options.get(name) if isinstance(options, dict) else None
    return options


def _listed(values: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))

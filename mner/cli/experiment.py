"""``mner experiment``: a grid of models, data sets, seeds and training fractions, or a search over options."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from jsonargparse import Namespace
from rich.console import Console
from rich.live import Live
from rich.text import Text

from mner.cli.parsing import OptionParser
from mner.errors import ConfigurationError, ExperimentError
from mner.experiments import Cell, Engine, Grid, GridRunner, LocalEngine, Search, SearchRunner
from mner.experiments.breakdown_tables import breakdown_tables
from mner.experiments.cell_devices import cell_devices
from mner.experiments.progress import Progress, State
from mner.experiments.progress_table import clock, progress_table
from mner.experiments.runner import Keep
from mner.post_json import to_json
from mner.ray_cluster import connect, import_ray
from mner.terminal import printable


def parser() -> OptionParser:
    """The options of ``mner experiment``."""
    options = OptionParser(
        prog="mner experiment",
        description="Train and score every cell of a grid: models x data sets x seeds x training fractions; or search "
        "for the best options of each model. A cell is the mner fit command that it stands for, which --dry_run "
        "prints. Repeat the command to resume: finished cells are not run again, failed ones are.",
    )
    options.add_argument(
        "-c", "--config", action="config", help="A YAML file with these options, the grid's among them."
    )
    options.add_class_arguments(Grid, None)
    options.add_argument("--run_folder", type=str, default="experiment", help="Folder of results.jsonl and all cells.")
    options.add_argument(
        "--jobs",
        type=int | None,
        default=None,
        help="Number of cells that run at a time (default: one per CUDA device, or one without any; with --engine ray, "
        "as many as fit into the cluster).",
    )
    options.add_argument(
        "--search",
        type=Search | None,
        default=None,
        help="Instead of a grid, search for options with Optuna: space gives their ranges.",
    )
    options.add_argument(
        "--engine",
        type=Literal["local", "ray"],
        default="local",
        help="Where cells run: local as processes of this machine; ray on the machines of the cluster of RAY_ADDRESS.",
    )
    options.add_argument("--gpus_per_cell", type=float | None, default=None, help="GPUs per cell (default: 1 if any).")
    options.add_argument("--cpus_per_cell", type=float, default=1, help="CPU cores per cell, with --engine ray.")
    options.add_argument(
        "--max_retries",
        type=int,
        default=3,
        help="How often a cell whose machine was lost is repeated, with --engine ray; -1 always.",
    )
    options.require("engine", "cpus_per_cell", "max_retries", value="ray")
    options.add_argument("--keep", type=Keep, default="best", help="Checkpoints that are kept when a cell is finished.")
    options.add_argument("--dry_run", action="store_true", help="Print the commands and run nothing.")
    return options


def run(arguments: Sequence[str], modules: Sequence[str] = ()) -> None:
    """Run the grid.

    Args:
        arguments: Command and options.
        modules: The user's modules, which the cells import as well.

    Raises:
        ConfigurationError: If a config does not exist, or ``jobs`` is less than 1.
        ExperimentError: At the end, if cells failed.
    """
    options = parser()
    config = options.parse_args(list(arguments[1:]))
    built = options.instantiate_classes(config)
    grid = Grid(**{name: getattr(built, name) for name in Grid.__dataclass_fields__})
    if config.jobs is not None and config.jobs < 1:
        raise ConfigurationError(f"expected jobs to be at least 1, got {config.jobs}")
    grid.check_configs()
    console = Console()
    given: dict[str, Any] = {"keep": config.keep, "modules": modules}
    if config.dry_run and built.search is not None:
        raise ConfigurationError(
            "--dry_run prints the cells of a grid, and a search chooses them as it runs; leave it out"
        )
    if config.dry_run:
        runner = GridRunner(grid, config.run_folder, **given)
        for cell in grid.cells():
            print(printable(shlex.join(runner.command(cell))))
        return
    given["engine"] = _engine(config)
    search = built.search
    runner = (
        GridRunner(grid, config.run_folder, **given)
        if search is None
        else SearchRunner(grid, search, config.run_folder, **given)
    )
    # A training must not outlive a runner that is told to stop.
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        with _shown(console, runner):
            progress = runner.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    if isinstance(runner, SearchRunner):
        for best in runner.best():
            print(printable(f"best of {best.study}: {search.monitor} {best.value:.4f} with {to_json(best.options)}"))
            print(printable(f"  its config: {best.folder / 'config.yaml'}"))
    elif not console.is_terminal:
        console.print(progress_table(progress))
    for table in breakdown_tables(progress) if search is None else ():
        console.print(table)
    print(printable(f"checkpoints, predictions and logs: {Path(config.run_folder) / 'cells'}"))
    print(printable(f"results: {Path(config.run_folder) / 'results.jsonl'}"))
    failed = [cell for cell, state in progress.states.items() if state == "failed"]
    if failed:
        raise ExperimentError(
            f"{len(failed)} of {len(progress.states)} cells failed:",
            *(f"  {runner.cell_folder(cell)}: {progress.results[cell].error}" for cell in failed),
            "log.txt in each folder contains the complete output; repeat the command to run them again",
        )


def _shown(console: Console, runner: GridRunner) -> AbstractContextManager[object]:
    """Show the progress: a table of a grid that a terminal redraws every second, elsewhere a line per change."""
    if console.is_terminal and not isinstance(runner, SearchRunner):
        return Live(get_renderable=lambda: progress_table(runner.progress), console=console, refresh_per_second=1)
    runner.watch = _Lines(console)
    return nullcontext()


class _Lines:
    """A line per cell that starts, finishes or fails, where there is no screen to draw on."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seen: set[tuple[Cell, State]] = set()

    def __call__(self, progress: Progress) -> None:
        for cell, state in progress.states.items():
            result = progress.results.get(cell)
            if state == "waiting" or (cell, state) in self.seen or (result is None and state in ("finished", "failed")):
                continue
            self.seen.add((cell, state))
            done = sum(each in ("finished", "failed") for _, each in self.seen)
            words = [f"{done} of {len(progress.states)}", f"{cell.model}/{cell.data}/seed {cell.seed}", state]
            if result is not None:
                words.append(str(result.error) if state == "failed" else f"F1 {100 * result.metrics['f1']:.2f}")
            self.console.print(Text(printable(f"{'  '.join(words)}  ({clock(progress)})")), soft_wrap=True)


def _engine(config: Namespace) -> Engine:
    if config.engine == "local":
        return LocalEngine(cell_devices(config.jobs, config.gpus_per_cell))
    from mner.experiments.ray_engine import RayEngine

    gpus = config.gpus_per_cell
    if gpus is None:
        connect()
        gpus = min(1, import_ray().cluster_resources().get("GPU", 0))
    return RayEngine(config.cpus_per_cell, gpus, config.jobs, config.max_retries)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

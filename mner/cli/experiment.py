"""``mner experiment``: a grid of models, data sets, seeds and training fractions."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from mner.cli.parsing import OptionParser
from mner.errors import ExperimentError
from mner.experiments import Grid, GridRunner
from mner.experiments.kinds_table import kinds_tables
from mner.experiments.progress_table import progress_table
from mner.experiments.runner import Keep, Progress
from mner.terminal import printable


def parser() -> OptionParser:
    """The options of ``mner experiment``."""
    options = OptionParser(
        prog="mner experiment",
        description="Train and score every cell of a grid: models x data sets x seeds x training fractions. A cell is "
        "the mner fit command it stands for, which --dry_run shows. Repeat the command to go on after a stop: what is "
        "finished is not repeated, what failed is tried again.",
    )
    options.add_argument(
        "-c", "--config", action="config", help="a YAML file with these options, the grid's among them"
    )
    options.add_class_arguments(Grid, None)
    options.add_argument("--folder", type=str, default="experiment", help="where results.jsonl and all cells go")
    options.add_argument(
        "--jobs",
        type=int | None,
        default=None,
        help="cells at a time; by default one a CUDA device, or one where there is none",
    )
    options.add_argument("--keep", type=Keep, default="best", help="checkpoints that stay when a cell is finished")
    options.add_argument("--dry_run", action="store_true", help="print the commands and run nothing")
    return options


def run(arguments: Sequence[str]) -> None:
    """Run the grid.

    Raises:
        ExperimentError: At the end, if cells failed.
    """
    options = parser()
    config = options.parse_args(list(arguments[1:]))
    built = options.instantiate_classes(config)
    grid = Grid(**{name: getattr(built, name) for name in Grid.__dataclass_fields__})
    console = Console()
    lines = _Lines(console)
    runner = GridRunner(grid, config.folder, _devices(config.jobs), config.keep)
    if config.dry_run:
        for cell in grid.cells():
            print(shlex.join(runner.command(cell)))
        return
    # So that a training does not outlive the runner that was told to stop.
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        live = Live(console=console, refresh_per_second=1) if console.is_terminal else nullcontext()
        with live as shown:
            runner.watch = lines if shown is None else lambda progress: shown.update(progress_table(progress))
            progress = runner.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    if not console.is_terminal:
        console.print(progress_table(progress))
    for table in kinds_tables(progress):
        console.print(table)
    print(f"checkpoints, predictions and logs: {Path(config.folder) / 'cells'}")
    print(f"results: {Path(config.folder) / 'results.jsonl'}")
    failed = [cell for cell, state in progress.states.items() if state == "failed"]
    if failed:
        raise ExperimentError(
            f"{len(failed)} of {len(grid)} cells failed:",
            *(f"  {runner.cell_folder(cell)}: {progress.results[cell].error}" for cell in failed),
            "The log.txt in each folder holds all that was said; repeat the command to try them again",
        )


class _Lines:
    """A line a finished or failed cell, where there is no screen to draw on."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seen: set[Any] = set()

    def __call__(self, progress: Progress) -> None:
        for cell, result in list(progress.results.items()):
            if cell not in self.seen:
                self.seen.add(cell)
                score = f"F1 {100 * result.metrics['f1']:.2f}" if result.metrics else f"failed, {result.error}"
                line = f"{len(self.seen)} of {len(progress.states)}  {result.cell}  {score}"
                self.console.print(Text(printable(line)), soft_wrap=True)


def _devices(jobs: int | None) -> list[str | None]:
    """A device per cell that runs at a time: the visible CUDA devices in turn, or the processor.

    Numbers, UUIDs (``GPU-...``) and MIG ids (``MIG-...``) of ``CUDA_VISIBLE_DEVICES`` are passed on as they are.
    """
    import torch

    visible = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
    count = torch.cuda.device_count()
    names: list[str | None] = [*(visible[:count] if visible else map(str, range(count)))]
    names = names or [None]
    return [names[job % len(names)] for job in range(jobs or len(names))]


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

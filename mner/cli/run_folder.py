"""The run folder: chosen once, owned by one training at a time, and its checkpoints."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mner.callbacks.best_checkpoint import NAME as BEST
from mner.checkpoint_file import load_checkpoint
from mner.cli.inputs import CHECKPOINT_NAMES
from mner.cli.messages import is_first_process
from mner.errors import CheckpointError, ConfigurationError
from mner.output_paths import output_errors
from mner.paths import is_file, is_there

VARIABLE = "MNER_RUN_FOLDER"
"""Environment variable with the folder that the first process chose, for those that Lightning starts."""
RUNS = Path("runs")
LOCK = ".lock"


class RunFolder:
    """The folder of a run; for a training also its lock, which the operating system releases if the process dies.

    Args:
        given: The user's ``--run_folder``.
        checkpoint: The checkpoint that is resumed or scored, as :func:`find_checkpoint` returned it.
        command: ``fit``, ``validate``, ``test`` or ``predict``.

    Raises:
        ConfigurationError: If another training is running in the folder.
    """

    def __init__(self, given: str | None, checkpoint: Path | None, command: str) -> None:
        self._lock: FileLock | None = None
        self._is_new = False
        outer = os.environ.get(VARIABLE)
        if outer or command != "fit":
            # If the checkpoint is in the given folder itself, as with "best", the results go into a subfolder.
            same = given is not None and checkpoint is not None and Path(given) == checkpoint.parent
            subfolder = (checkpoint or Path()).parent / command
            self.path = Path(outer or (subfolder if same or given is None else given))
            return
        if not is_first_process():  # among processes of a launcher such as torchrun, only the first one writes
            self.path = Path(given) if given else RUNS
            return
        if given:
            self.path = Path(given)
            self._is_new = not is_there(self.path)
            with output_errors(self.path, always=True):
                self.path.mkdir(parents=True, exist_ok=True)
        else:
            self.path = checkpoint.parent if checkpoint else self._numbered()
        lock = FileLock(self.path / LOCK, timeout=0)
        with output_errors(self.path, always=True):
            try:
                lock.acquire()
            except Timeout:  # an OSError, but not one of the disk
                raise ConfigurationError(
                    f"another training is running in {self.path}; wait for its end, or give another --run_folder"
                ) from None
        self._lock = lock
        os.environ[VARIABLE] = str(self.path)

    def _numbered(self) -> Path:
        """Create the folder with the next free number; concurrent processes get different ones."""
        self._is_new = True
        taken = [int(path.name) for path in RUNS.glob("*") if path.name.isdecimal()]
        for number in count(max(taken, default=-1) + 1):
            with output_errors(RUNS, always=True), suppress(FileExistsError):
                (RUNS / str(number)).mkdir(parents=True)
                return RUNS / str(number)
        raise AssertionError

    def release(self) -> None:
        """Release the folder for other trainings; remove it if it is new and the run left nothing in it."""
        if self._lock is None:
            return
        os.environ.pop(VARIABLE, None)
        if self._is_new and all(path.name == LOCK for path in self.path.iterdir()):
            (self.path / LOCK).unlink(missing_ok=True)
            self._lock.release()
            with suppress(OSError):
                self.path.rmdir()
        self._lock.release()


def find_checkpoint(
    given: str | None, resume: str, folder: str | None, command: str, max_epochs: int | None = None
) -> Path | None:
    """Find the checkpoint that a command starts from.

    Args:
        given: The user's ``--ckpt_path``: a path, or ``last``, ``best`` or ``hpc`` of the run folder.
        resume: ``auto`` resumes the run folder's latest checkpoint if there is one; ``never`` does not.
        folder: The user's ``--run_folder``; by default, the three names above refer to the latest one in ``runs/``.
        command: ``fit``, ``validate``, ``test`` or ``predict``.
        max_epochs: Epochs of the training that is to be resumed.

    Returns:
        Its path, or ``None`` to start from scratch.

    Raises:
        CheckpointError: If there is no such checkpoint, or ``fit`` cannot resume from it.
        ConfigurationError: If ``resume`` has no folder to look in or a checkpoint is given too, or a new training would
            overwrite another one.
    """
    if command != "fit":
        return _named(given, folder) if given else None
    if given and resume == "auto":
        raise ConfigurationError(
            f"--ckpt_path {given} and --resume auto both choose the checkpoint to resume; give one of them"
        )
    if given:
        return _resumable(_named(given, folder), max_epochs)
    if resume == "auto":
        if folder is None:
            raise ConfigurationError("--resume auto looks for a checkpoint in the run folder; give --run_folder")
        found = latest(Path(folder))
        return None if found is None else _resumable(found, max_epochs)
    if folder is not None and any(Path(folder).glob("*.ckpt")):
        found = latest(Path(folder))
        remedy = "" if found is None else f", or resume it: --ckpt_path {found}"
        raise ConfigurationError(f"{folder} has the checkpoints of a training; give another --run_folder{remedy}")
    return None


def latest(folder: Path) -> Path | None:
    """Find the checkpoint of a folder to resume from: the last one, or that of an interruption."""
    found = [folder / "last.ckpt", folder / "interrupted.ckpt", *sorted(folder.glob("hpc_ckpt_*.ckpt"))]
    return max((path for path in found if is_file(path)), key=lambda path: path.stat().st_mtime_ns, default=None)


def _resumable(path: Path, max_epochs: int | None) -> Path:
    checkpoint = load_checkpoint(path)
    if "optimizer_states" not in checkpoint:
        raise CheckpointError(
            f"{path} has the weights only, for scoring and tagging; resume the training from "
            f"{path.with_name('last.ckpt')}"
        )
    epochs = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
    if max_epochs is not None and 0 <= max_epochs < epochs:
        raise ConfigurationError(
            f"{path} was trained for {epochs} epochs, and max_epochs is {max_epochs}; give --trainer.max_epochs of at "
            f"least {epochs}"
        )
    return path


def _named(given: str, folder: str | None) -> Path:
    if given not in CHECKPOINT_NAMES:
        return Path(given)
    numbered = sorted((path for path in RUNS.glob("*") if path.name.isdigit()), key=lambda path: int(path.name))
    if folder is None and not numbered:
        raise CheckpointError(f"--ckpt_path {given} refers to a run folder, but {RUNS}/ has none; give --run_folder")
    place = Path(folder) if folder is not None else numbered[-1]
    found: Any = {"last": latest(place), "best": place / BEST}.get(given)
    if given == "hpc":
        number = lambda path: int(path.stem.rpartition("_")[2])  # noqa: E731
        found = max(place.glob("hpc_ckpt_*.ckpt"), key=number, default=None)
    if found is None or not is_file(found):
        raise CheckpointError(f"{place} has no {given} checkpoint; give the path of one as --ckpt_path")
    return Path(found)

"""Messages on the command line: some are silenced, warnings are one line, tracebacks go to the run folder."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities import rank_zero_only

from mner.errors import ConfigurationError, MNERError
from mner.paths import is_folder
from mner.terminal import printable_lines

# Printed at every start, although a user of the command line cannot act on them.
SILENCED_MESSAGES = (
    "💡 Tip",
    "Loading `train_dataloader`",
    "TPU available",
    "HPU available",
    "IPU available",
    "`weights_only` was not set",
)
SILENCED_WARNINGS = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    ".*exists and is not empty.*",
    ".*Couldn't infer the batch indices.*",
    ".*args parameter is intended to run from within Python.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*You have overridden `on_before_batch_transfer` in.*",
    ".*in eval mode at the start of training.*",  # intended for a frozen image encoder
)
PACKAGE = Path(__file__).parent.parent
LIGHTNING = ("pytorch_lightning", "lightning_fabric")
CALLERS = ("mner", "jsonargparse", "torch")
"""Packages through whose code Lightning is called."""


@rank_zero_only
def say(message: str) -> None:
    """Print a line, in the first process only."""
    print(printable_lines(message))


def is_first_process() -> bool:
    """Return whether this is the process that prints and writes, also before there is a trainer."""
    return bool(rank_zero_only(lambda: True)())


@contextmanager
def useful_messages() -> Iterator[None]:
    """Silence messages that no user can act on, and print warnings of mner without their source line."""
    log = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    log.addFilter(_is_useful)
    usual = warnings.formatwarning
    with warnings.catch_warnings():
        for message in SILENCED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        warnings.formatwarning = _in_one_line
        try:
            yield
        finally:
            warnings.formatwarning = usual
            log.removeFilter(_is_useful)


@contextmanager
def lightning_errors() -> Iterator[None]:
    """Make one line of what Lightning itself raises for options that it refuses, and leave all other errors.

    Raises:
        ConfigurationError: In Lightning's words, which name the option.
    """
    try:
        yield
    except (MisconfigurationException, NotImplementedError, TypeError, ValueError) as error:
        frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
        packages = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame in frames]
        # Where code of the user's own is involved, only the traceback shows which.
        if packages[-1] not in LIGHTNING or not {*packages} <= {*LIGHTNING, *CALLERS, *sys.stdlib_module_names}:
            raise
        raise ConfigurationError(" ".join(str(error).split())) from error


def keep_traceback(error: BaseException, folder: Path | None) -> None:
    """Write the traceback of an unexpected error into an existing run folder, in the first process only.

    Args:
        error: Any error; those of mner are one line and leave no traceback.
        folder: The run folder, ``None`` before it is chosen.
    """
    if isinstance(error, MNERError) or folder is None or not is_folder(folder) or not is_first_process():
        return
    with suppress(OSError):  # the error itself is reported all the same
        (folder / "traceback.txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")


def _in_one_line(message: Warning | str, category: type[Warning], filename: str, *_: Any, **__: Any) -> str:
    own = Path(filename).is_relative_to(PACKAGE)
    return printable_lines(f"warning: {message}" if own else f"{filename}: {category.__name__}: {message}") + "\n"


def _is_useful(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(SILENCED_MESSAGES)

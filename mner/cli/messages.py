"""Messages on the command line: one line per error of Lightning, tracebacks in the run folder."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path

from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import SIGTERMException

from mner.errors import ConfigurationError, MNERError
from mner.paths import is_folder
from mner.terminal import printable_lines

LIGHTNING = ("pytorch_lightning", "lightning_fabric")
CALLERS = ("mner", "jsonargparse", "torch")
"""Packages through whose code Lightning is called."""
MAX_MESSAGE = 220  # characters of whole sentences


@rank_zero_only
def say(message: str) -> None:
    """Print a line, in the first process only."""
    print(printable_lines(message))


def is_first_process() -> bool:
    """Return whether this is the process that prints and writes, also before there is a trainer."""
    return bool(rank_zero_only(lambda: True)())


@contextmanager
def lightning_errors() -> Iterator[None]:
    """Make one line of what Lightning itself raises for options that it refuses, and leave all other errors.

    Raises:
        ConfigurationError: In Lightning's words, which name the option.
        KeyboardInterrupt: If Ctrl-C or SIGTERM ended the trainer, which exits, after SIGTERM with 0.
    """
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop, SIGTERMException) or isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from stop
        raise
    except (ImportError, MisconfigurationException, NotImplementedError, TypeError, ValueError) as error:
        frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
        packages = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame in frames]
        # Where code of the user's own is involved, only the traceback shows which.
        if packages[-1] not in LIGHTNING or not {*packages} <= {*LIGHTNING, *CALLERS, *sys.stdlib_module_names}:
            raise
        raise ConfigurationError(_first_sentences(str(error))) from error


def _first_sentences(message: str) -> str:
    """Shorten a message to its first sentences, which name the option and the choices; advice and links follow them."""
    sentences = re.split(r"(?<=[.!?]) (?=[A-Z])", " ".join(message.split()))
    ends = accumulate(len(sentence) + 1 for sentence in sentences)
    kept = sum(end <= MAX_MESSAGE for end in ends)
    return " ".join(sentences[: max(kept, 1)])


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

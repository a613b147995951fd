"""The command ``mner``: finds the sub-command, runs it, and says errors in one line."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

from mner.errors import MNERError

COMMANDS = {
    "fit": ("mner.cli.training", "train a model from a config, then score it with its best weights"),
    "validate": ("mner.cli.training", "score a checkpoint on the validation split"),
    "test": ("mner.cli.training", "score a checkpoint on the test split"),
    "predict": ("mner.cli.training", "find the entities of a data set's test posts, annotated or not"),
    "experiment": ("mner.cli.experiment", "run a grid of models, data sets, seeds and training fractions"),
    "report": ("mner.cli.report", "compare models from their predictions: tables, figures, significance"),
    "tag": ("mner.cli.tag", "find the entities of new posts from a file or from standard input"),
    "attend": ("mner.cli.attend", "draw what the words of posts look at in their pictures"),
    "caption": ("mner.cli.caption", "describe every image of a folder: captions, object tags, letters"),
    "cache": ("mner.cli.cache", "compute the image features of a training ahead"),
    "configs": ("mner.cli.configs", "list, print or copy the configs that ship with mner"),
    "check-data": ("mner.cli.check_data", "say what one must know of a data set before training on it"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``mner``.

    Args:
        arguments: The words after ``mner``; by default the command line's.

    Returns:
        Exit status: 0, or 1 after an error that was said in one line (``--debug`` shows where it came from).
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    if not given or given[0] in ("-h", "--help"):
        print(overview())
        return 0
    if given[0] == "--version":
        from mner import __version__

        print(f"mner {__version__}")
        return 0
    if given[0] not in COMMANDS:
        print(f"mner: no command {given[0]!r}\n\n{overview()}", file=sys.stderr)
        return 2
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # an emoji is no reason to die where the encoding has none
            stream.reconfigure(errors="backslashreplace")
    # An installed script does not have the working directory on its path; a user's own classes are there.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return import_module(COMMANDS[given[0]][0]).run(given) or 0
    except BrokenPipeError:  # whoever read the output, head for example, has seen enough
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's last flush fails
        return 1
    except Exception as error:
        if debug:
            raise
        if mner_error(error) is None:  # a fault of the program or of its environment, which only the traceback explains
            traceback.print_exc()
        print(f"mner {given[0]}: error: {said(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def said(error: Exception) -> str:
    """An error in words: that of mner behind it, if there is one, for the parser wraps those of constructors."""
    behind = mner_error(error)
    return f"{type(error).__name__}: {error}" if behind is None else f"{behind}"


def mner_error(error: BaseException | None) -> MNERError | None:
    """The error of mner that an exception is or was caused by, ``None`` if there is none."""
    while error is not None and not isinstance(error, MNERError):
        error = error.__cause__
    return error


def overview() -> str:
    """The help of ``mner`` itself, which imports no model library."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: mner COMMAND [OPTIONS]",
            "",
            "Named entities in posts that come with an image.",
            "",
            *lines,
            "",
            "mner COMMAND --help tells the options; --debug shows the traceback of an error.",
        ]
    )

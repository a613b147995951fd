"""The help of every command as text files of the package, so that ``--help`` imports nothing heavy.

``python -m mner.cli.static_help`` writes them from the commands' own parsers; a test compares the two.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from mner.cli import COMMANDS

FOLDER = Path(__file__).parent / "help"
LIGHTNING = "2.6.6"
"""The version of Lightning whose trainer the texts describe."""
DESCRIBED = tuple(command for command in COMMANDS if command != "configs")
"""The commands that have such a file; the parser of ``mner configs`` has commands of its own and is fast."""
TRAINING_COMMANDS = ("fit", "validate", "test", "predict", "cache")
"""Their usage would list every option before the help describes it."""


def help_text(command: str) -> str:
    """The text that ``mner COMMAND --help`` prints."""
    return (FOLDER / f"{command}.txt").read_text(encoding="utf-8")


def parser_help(command: str) -> str:
    """The help of a command's parser, which imports everything whose options it describes."""
    printed = io.StringIO()
    with (
        patch.dict(os.environ, COLUMNS="100"),
        patch.object(sys, "argv", ["mner", command, "--help"]),
        redirect_stdout(printed),
        suppress(SystemExit),
    ):
        import_module(COMMANDS[command][0]).run([command, "--help"])
    text = printed.getvalue().replace(" \b", "")  # jsonargparse erases a space of --print_config[=flags]
    if command in TRAINING_COMMANDS:
        text = f"usage: mner {command} [OPTIONS]\n\n" + text.partition("\n\n")[2]
    return text


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in DESCRIBED:
        (FOLDER / f"{name}.txt").write_text(parser_help(name), encoding="utf-8")

"""The help of every command and class as text files of the package, so that ``--help`` imports nothing heavy.

``python -m mner.cli.static_help`` writes them from the parsers themselves; a test compares the two.
"""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from mner.cli import COMMANDS
from mner.cli.option import options_in

FOLDER = Path(__file__).parent / "help"
CLASSES = FOLDER / "classes"
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
        # Lightning describes the command and its last section by the first words of a docstring.
        options = text.partition("\n\n")[2].partition("\n\n")[2]
        options = re.sub(r"^.+:\n(?=  --(verbose|weights_only) )", "further options:\n", options, flags=re.MULTILINE)
        summary = COMMANDS[command][1]
        text = f"usage: mner {command} [OPTIONS]\n\n{summary[0].upper()}{summary[1:]}.\n\n{options}"
    return text


def described_classes() -> frozenset[str]:
    """Import paths of the classes that have such a file: all that mner's own options take."""
    return frozenset(path.stem for path in CLASSES.glob("*.txt"))


def class_help(path: str, option: str) -> str:
    """The text that ``mner COMMAND --OPTION.help CLASS`` prints.

    Args:
        path: Import path of a described class.
        option: The option that takes the class, without dashes.
    """
    return (CLASSES / f"{path}.txt").read_text(encoding="utf-8").replace("--OPTION", f"--{option}")


def parser_class_help(path: str) -> str:
    """The help of the arguments of a class, with ``OPTION`` in place of the option that takes it."""
    from mner.cli.parsing import OptionParser

    module, _, name = path.rpartition(".")
    parser = OptionParser(prog="mner", usage=f"options of {name}", add_help=False)
    parser.add_class_arguments(getattr(import_module(module), name), "OPTION", fail_untyped=False)
    with patch.dict(os.environ, COLUMNS="100"):
        text = parser.format_help().partition("\n\n")[2]
    return f"Help for --OPTION.help={path}\n\n{text}"


def parser_class_helps() -> dict[str, str]:
    """The help of every class of mner that an option takes, or an argument of such a class, by import path."""
    texts: dict[str, str] = {}
    left = [path for name in DESCRIBED for path in _classes(parser_help(name))]
    while left:
        path = left.pop()
        if path not in texts:
            texts[path] = parser_class_help(path)
            left += _classes(texts[path])
    return texts


def _classes(text: str) -> list[str]:
    return [path for option in options_in(text).values() for path in option.classes]


if __name__ == "__main__":
    CLASSES.mkdir(parents=True, exist_ok=True)
    for name in DESCRIBED:
        (FOLDER / f"{name}.txt").write_text(parser_help(name), encoding="utf-8")
    for old in CLASSES.iterdir():
        old.unlink()
    for name, text in parser_class_helps().items():
        (CLASSES / f"{name}.txt").write_text(text, encoding="utf-8")

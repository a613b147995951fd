"""The parser of options, and its complaints cut down to what a newcomer can act on."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from jsonargparse import ArgumentParser
from pytorch_lightning import LightningDataModule
from pytorch_lightning.cli import LightningArgumentParser

from mner.components import Component

_NOISE = re.compile(
    r"\s*(- )?(Does not validate against any|Subtypes: |Errors:|Given value|Expected a <class 'NoneType'>|"
    r"Expected a path but |$)"
)
_NO_CLASS = re.compile(r"Not a valid subclass of (PostDataModule|TrainingModule)(\n\s+(Subclass types|- a ).*)+")
_CHOOSE = {
    "PostDataModule": "no data set is chosen: add --config examples/data/demo.yaml or another of these, or --data with "
    "the name of a class, in front of what changes its arguments",
    "TrainingModule": "no model is chosen: add --config examples/experiments/1.0_bert_crf.yaml or another of these, or "
    "--model with the name of a class, in front of what changes its arguments",
}
_UNKNOWN_CLASS = re.compile(r"Expected a dot import path string: (\w+)|Unexpected import path format: (\w+)")


class OptionParser(LightningArgumentParser):
    """Says what is wrong with an option without listing all the others first."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the complaint and exit with status 2, or raise it where an outer parser is to say it."""
        if not self.exit_on_error:
            super().error(message, ex)
        print(f"mner: error: {shortened(message)}\n(--help lists the options)", file=sys.stderr)
        self.exit(2)


def accept_unused(parser: ArgumentParser, *names: str) -> None:
    """Declare sections of a training's config that a command has no use for, so that the config can be given to it."""
    for name in names:
        parser.add_argument(f"--{name}", type=Any, default=None, help="Not used; the config of a training may hold it.")


def shortened(message: str) -> str:
    """Leave out what concerns the parser alone, and name the classes that resemble an unknown one.

    Args:
        message: What jsonargparse says.
    """
    message = re.sub(r"\b(?:fit|validate|test|predict)\.(data|model)\b", r"--\1", message)
    lines = (line for line in message.splitlines() if not _NOISE.match(line))
    return _UNKNOWN_CLASS.sub(_unknown_class, _NO_CLASS.sub(lambda match: _CHOOSE[match.group(1)], "\n".join(lines)))


def _unknown_class(match: re.Match[str]) -> str:
    name = match.group(1) or match.group(2)
    known = {cls.__name__ for base in (Component, LightningDataModule) for cls in _subclasses(base)}
    close = difflib.get_close_matches(name, sorted(known))
    meant = f"did you mean {', '.join(close)}? " if close else ""
    return f"no class is called {name!r}; {meant}A class of your own is given by its dotted path, my_module.{name}"


def _subclasses(cls: type) -> Iterator[type]:
    subclasses: list[type] = cls.__subclasses__()
    for each in subclasses:
        yield each
        yield from _subclasses(each)

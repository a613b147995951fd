"""The parser of every command's options; its messages are shortened to what a user can act on."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Sequence
from enum import Enum
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser

from mner.cli import mner_error
from mner.cli.config_file import check_config
from mner.cli.parser_messages import shortened
from mner.errors import ConfigurationError, UsageError
from mner.shipped_configs import find_config

CONFIG_OPTIONS = ("-c", "--config")
"""Options that take the path of a config or the name of a shipped one."""
# A default may be an enumeration of strings, as in Lightning's Timer; jsonargparse writes configs with this dumper.
yaml.SafeDumper.add_multi_representer(Enum, lambda dumper, each: dumper.represent_data(each.value))


class OptionParser(ArgumentParser):
    """Finds shipped configs by name, and reports a wrong option without listing all the others.

    An abbreviated option is a wrong one: what it stands for may change with every new option.
    """

    def __init__(self, *given: Any, allow_abbrev: bool = False, **options: Any) -> None:
        super().__init__(*given, allow_abbrev=allow_abbrev, **options)
        self._needed: dict[str, tuple[str, str | None]] = {}

    def add_argument(self, *names: str, **options: Any) -> Any:
        """Declare an option; one of several values may be repeated and keeps them all, so it has no default."""
        if names[0].startswith("-") and options.get("nargs") == "+":
            options.setdefault("action", "extend")
        return super().add_argument(*names, **options)

    def require(self, needed: str, *names: str, value: str | None = None) -> None:
        """Declare that options do nothing without another one, or without a value of it; they are then refused."""
        self._needed |= dict.fromkeys(names, (needed, value))

    def parse_args(self, args: Any = None, *others: Any, **options: Any) -> Any:
        """Parse the options, with the names of shipped configs replaced by their files."""
        try:
            given = with_config_files(sys.argv[1:] if args is None else args)
        except ConfigurationError as error:
            self.error(str(error), error)
        parsed = super().parse_args([_as_yaml(argument) for argument in given], *others, **options)
        for name, (needed, value) in self._needed.items():
            is_there = parsed[needed] if value is None else parsed[needed] == value
            if not is_there and parsed[name] != self.get_default(name):
                other = f"--{needed}" if value is None else f"--{needed} {value}"
                self.error(f"--{name} does nothing without {other}; add it, or leave --{name} out")
        return parsed

    def instantiate_classes(self, *given: Any, **options: Any) -> Any:
        """Build the objects of a config.

        Raises:
            ConfigurationError: If a class needs a package that is not installed, as a logger may, or refuses its
                arguments.
        """
        try:
            return super().instantiate_classes(*given, **options)
        except ValueError as error:
            # In a list of objects, the error of one is only a part of the list's message.
            message = f"{error}"
            missing = re.search(r"(No module named|Requirement) '.*", message)
            if missing is not None:
                message = f"a class of the config needs a package that is not installed: {missing[0]}"
            elif mner_error(error) is not None or not message.startswith("Does not validate"):
                raise
            raise ConfigurationError(shortened(message)) from error

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the message, for ``mner`` to print with the name of the command.

        Raises:
            UsageError: Unless an outer parser reports it.
        """
        if not self.exit_on_error:
            super().error(message, ex)
        raise UsageError(*shortened(message).splitlines()) from ex


def with_config_files(arguments: Sequence[str]) -> list[str]:
    """Replace the names of shipped configs by the paths of their files.

    Args:
        arguments: Options of a command.

    Raises:
        ConfigurationError: If there is no config of a given name, or one is malformed.
    """
    given = []
    previous = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if previous in CONFIG_OPTIONS:
            given.append(_config_file(argument))
        elif equals and name in CONFIG_OPTIONS:
            given.append(f"{name}={_config_file(value)}")
        else:
            given.append(argument)
        previous = argument
    return given


def _config_file(given: str) -> str:
    """Return the file of a config after checking it; YAML instead of a path, and null, are returned unchanged."""
    if re.search(r"[:{]|^(null)?$", given):
        return given
    path = find_config(given)
    check_config(path)
    return str(path)


def _as_yaml(argument: str) -> str:
    """Undo how jsonargparse spells nulls inside an option of a class, ``--name=None`` and ``--name={'a': None}``."""
    name, equals, value = argument.partition("=")
    if "None" not in value:
        return argument
    try:
        return f"{name}{equals}{json.dumps(ast.literal_eval(value))}"
    except (SyntaxError, TypeError, ValueError):
        return argument


def accept_unused(parser: ArgumentParser, *names: str) -> None:
    """Declare sections of a training's config that a command does not use, so that the command accepts the config."""
    for name in names:
        parser.add_argument(f"--{name}", type=Any, default=None, help="Not used; accepted in the config of a training.")

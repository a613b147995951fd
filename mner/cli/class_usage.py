"""Usage errors in the classes given to a command and in their arguments, found from the help texts only."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import yaml

from mner.cli.option import Option, options_in
from mner.cli.static_help import class_help, described_classes
from mner.plugins import GROUP

NESTED = ("init_args", "class_path")
"""Parts of an option's name that can be left out: ``--model.init_args.dropout`` is ``--model.dropout``."""


class ChosenClasses:
    """The classes chosen so far, option by option; checks the options of their arguments.

    The user's own classes, and everything inside them, are left to the parser.

    Args:
        options: The options of the command, by their names.
        has_others: Whether there may be classes that are not in the help texts.
    """

    def __init__(self, options: Mapping[str, Option], has_others: bool) -> None:
        self._has_others = has_others
        self._options = {name.removeprefix("--"): option for name, option in options.items()}
        self._chosen: dict[str, str | None] = {}

    def complaint(self, name: str, value: Any) -> str | None:
        """Describe a fault of an option; ``None`` if it has none, or only the parser can find it.

        Args:
            name: Its name without leading dashes.
            value: A string, or a value from a config.
        """
        return next(filter(None, (self._judge(*each) for each in flat_options(name, value))), None)

    def _judge(self, place: str, value: Any) -> str | None:
        options, owner, above, rest = self._options, "", "", place
        while rest not in options:
            parts = rest.split(".")
            heads = (".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
            head = next((each for each in heads if each in options and not options[each].is_section), None)
            if head is None:
                return _unknown(owner, rest, options) if owner and "dict_kwargs" not in parts else None
            above = f"{above}.{head}" if above else head
            if options[head].takes_one_value:
                remedy = f"; see {above}_arguments" if f"{head}_arguments" in options else ""
                return f"--{place}: {above} takes a single value and has no arguments{remedy}"
            chosen = self._chosen.get(above) if options[head].classes else None
            if chosen is None:
                return None
            options, owner, rest = _arguments(chosen), chosen, rest.removeprefix(f"{head}.")
        option = options[rest]
        if option.classes:
            return self._choose(place, option, value)
        complaint = option.complaint(value) if isinstance(value, str) and owner else None
        return complaint and f"--{place}: {complaint}"

    def _choose(self, place: str, option: Option, value: Any) -> str | None:
        known = {path.rpartition(".")[2]: path for path in option.classes}
        self._chosen[place] = next((path for path in option.classes if value in (path, path.rpartition(".")[2])), None)
        if self._chosen[place] or not isinstance(value, str) or value in ("", "null", "None"):
            return None
        self._has_others |= "." in value  # its module may have more
        if self._has_others or option.takes_text or not value.isidentifier() or entry_points(group=GROUP):
            return None
        close = difflib.get_close_matches(value, known)
        meant = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(sorted(known))}."
        return (
            f"--{place}: no class is called {value!r}; {meant} A class of your own is given by its dotted path, "
            f"my_module.{value}"
        )


def _unknown(owner: str, argument: str, options: Mapping[str, Option]) -> str:
    close = difflib.get_close_matches(argument, options)
    meant = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{owner.rpartition('.')[2]} has no argument {argument}{meant}"


def flat_options(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the options in the value of an option or in a section of a config, the class before its arguments.

    Args:
        name: The option without leading dashes; empty for a whole config.
        value: Its value, which may be YAML.

    Returns:
        Pairs of an option, without ``init_args`` in its name, and its value; none if the YAML is malformed.
    """
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            return
    yield from _flat(".".join(part for part in name.split(".") if part not in NESTED), value)


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield place, value
        return
    if "class_path" in value:
        yield place, value["class_path"]
    for name, part in value.items():
        if name == "init_args":
            yield from _flat(place, part)
        elif name != "class_path":
            yield from _flat(f"{place}.{name}" if place else f"{name}", part)


@cache
def _arguments(path: str) -> dict[str, Option]:
    """The arguments of a class by their names."""
    if path not in described_classes():
        return {}
    found = options_in(class_help(path, "OPTION"))
    return {name.removeprefix("--OPTION."): option for name, option in found.items() if name.startswith("--OPTION.")}

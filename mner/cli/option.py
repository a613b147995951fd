"""An option of a command or an argument of a class, read from its help."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

NUMBERS: dict[str, Callable[[str], object]] = {"int": int, "float": float}


@dataclass(frozen=True)
class Option:
    """An option as the help describes it.

    Args:
        name: Its name, such as ``--trainer.max_epochs``.
        value: Placeholder of its value; empty for a switch.
        description: The rest of its help.
    """

    name: str
    value: str
    description: str

    @property
    def is_section(self) -> bool:
        """Whether it is a section of a config, all of whose options the help lists."""
        return self.value == "CONFIG" and self.name != "--config"

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return "(required" in self.description

    @property
    def classes(self) -> list[str]:
        """Import paths of the classes of mner that it takes; empty if it takes others, or none."""
        _, _, listed = self.description.partition("known subclasses: ")
        paths = listed.rstrip(")").split(", ") if listed else []
        return paths if all(path.startswith("mner.") for path in paths) else []

    @property
    def takes_text(self) -> bool:
        """Whether it takes any text."""
        return re.search(r"type: [^()]*\bstr\b", self.description) is not None

    def complaint(self, value: str) -> str | None:
        """What is wrong with a value of a simple type; ``None`` if nothing is, or if only the parser can tell."""
        choices = self.value[1:-1].split(",") if re.fullmatch(r"\{[\w,-]+\}", self.value) else []
        if choices and "true" not in choices:  # true and false have other spellings too
            return None if value in choices else f"expected {' or '.join(choices)}, got {value!r}"
        match = re.search(r"type: (\w+)(?: \| (?:null|None))?[,)]", self.description)
        if match is None or match[1] not in NUMBERS or value in ("null", "None"):
            return None
        try:
            NUMBERS[match[1]](value)
        except ValueError:
            return f"expected {match[1]}, got {value!r}"
        return None


def options_in(help_text: str) -> dict[str, Option]:
    """The options that a help text describes, by their names."""
    options: dict[str, Option] = {}
    for entry in re.split(r"\n(?=  -)", help_text)[1:]:
        head, _, rest = re.split(r"\n\S", entry)[0].partition("\n")
        names, _, same_line = head.strip().partition("   ")
        description = " ".join(f"{same_line} {rest}".split())
        for part in re.split(r", (?=-)", names):
            match = re.match(r"(-[-\w.]+)\+?\s*(.*)", part)
            if match is not None:
                options[match[1]] = Option(match[1], match[2], description)
    return options

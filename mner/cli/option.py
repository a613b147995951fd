"""An option of a command or an argument of a class, read from its help."""

from __future__ import annotations

import re
from dataclasses import dataclass

NULL = ("null", "None")


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
    def takes_several(self) -> bool:
        """Whether it takes several words."""
        return self.value.endswith("...]")

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

    @property
    def takes_one_value(self) -> bool:
        """Whether it takes a text or a number, and nothing that could have arguments."""
        types = self._types()
        return bool(types) and types <= {"str", "int", "float", "bool"}

    def complaint(self, value: str) -> str | None:
        """Describe a fault of a value of a simple type; ``None`` if it has none, or only the parser can find it."""
        if self.value == "[ITEM,...]" and not value.lstrip().startswith(("[", "(", "- ")) and value not in NULL:
            return f"expected a list such as [{value}], got {value!r}"
        accepted = self._accepted_words()
        if accepted:
            expected = " or ".join(word for word in accepted if word not in NULL)
            return None if value in accepted else f"expected {expected}, got {value!r}"
        types = self._types()
        number = int if types == {"int"} else float
        if not types or not types <= {"int", "float"} or value in NULL:
            return None
        try:
            number(value)
        except ValueError:
            return f"expected {' or '.join(sorted(types))}, got {value!r}"
        return None

    def _accepted_words(self) -> list[str]:
        """The words that it takes, if it takes nothing else; true and false have other spellings too."""
        words = self.value[1:-1].split(",") if re.fullmatch(r"\{[\w,-]+\}", self.value) else []
        literal = re.search(r"type: (Optional\[)?Literal\[('[\w-]+'(?:, '[\w-]+')*)\]", self.description)
        if not words and literal is not None:
            words = [word.strip("'") for word in literal[2].split(", ")] + (list(NULL) if literal[1] else [])
        return [] if "true" in words else words

    def _types(self) -> set[str]:
        """The types of its values other than null, as far as they have one-word names; empty if not all have."""
        match = re.search(r"type: ([\w|\[\], ]+?)(?:, default: .*)?\)$", self.description)
        names = re.sub(r"\b(?:Optional\[)?Union\[([^\[\]]*)\]+|Optional\[(\w+)\]", r"\1\2", match[1] if match else "")
        types = set(re.split(r" ?[|,] ?", names)) - {*NULL}
        return types if all(re.fullmatch(r"\w+", each) for each in types) else set()


def options_in(help_text: str) -> dict[str, Option]:
    """Parse the options that a help text describes, by name."""
    options: dict[str, Option] = {}
    for entry in re.split(r"\n(?=  -)", help_text)[1:]:
        head, _, rest = re.split(r"\n\S", entry)[0].partition("\n")
        names, _, same_line = head.strip().partition("  ")
        description = " ".join(f"{same_line} {rest}".split())
        for part in re.split(r", (?=-)", names):
            match = re.match(r"(-[-\w.]+)\+?\s*(.*)", part)
            if match is not None:
                options[match[1]] = Option(match[1], match[2], description)
    return options

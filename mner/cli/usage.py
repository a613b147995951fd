"""Usage errors that the help texts alone reveal, so that they appear before anything heavy is imported."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import yaml

from mner.cli.parsing import with_config_files
from mner.cli.static_help import LIGHTNING, TRAINING_COMMANDS, help_text
from mner.errors import ConfigurationError

REQUIRED = dict.fromkeys(TRAINING_COMMANDS, ("--data", "--ckpt_path")) | dict.fromkeys(
    ("fit", "cache"), ("--data", "--model")
)
"""Options that a training command needs, on the command line or in a config."""
EXIT_OPTIONS = re.compile(r"--print_config|--help|-h$|--[\w.]+\.help")
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


def options_of(command: str) -> dict[str, Option]:
    """The options of a command by their names, from its help."""
    options: dict[str, Option] = {}
    for entry in re.split(r"\n(?=  -)", help_text(command))[1:]:
        head, _, rest = re.split(r"\n\S", entry)[0].partition("\n")
        names, _, same_line = head.strip().partition("   ")
        description = " ".join(f"{same_line} {rest}".split())
        for part in re.split(r", (?=-)", names):
            match = re.match(r"(-[-\w.]+)\+?\s*(.*)", part)
            if match is not None:
                options[match[1]] = Option(match[1], match[2], description)
    return options


def usage_error(command: str, arguments: Sequence[str]) -> str | None:
    """The first usage error that can be found without the parser: an unknown option, config or value, a missing option.

    Args:
        command: The command.
        arguments: What follows it.

    Returns:
        What is wrong, or ``None`` if nothing is found; the parser may still refuse the options.
    """
    try:
        words = with_config_files(arguments)
    except ConfigurationError as error:
        return str(error)
    options = options_of(command)
    given: set[str] = set()
    free = 0  # words that are neither options nor, as far as the help says, their values
    follows_value_option = False
    for word, following in zip(words, [*words[1:], None], strict=False):
        if word == "--":
            break
        if not re.match(r"--?[A-Za-z]", word):
            free += not follows_value_option
            follows_value_option = False
            continue
        written, equals, value = word.partition("=")
        name = written.removesuffix("+")
        option = options.get(name)
        if option is None and not _is_unlisted(name, options):
            close = difflib.get_close_matches(name, options, cutoff=0.7)
            return f"no option {name}" + (f"; did you mean {' or '.join(close)}?" if close else "")
        given.add(name)
        follows_value_option = not equals and (option is None or bool(option.value))
        if option is not None and option.value:
            if not equals and following is None and not option.value.startswith("["):
                return f"{name} needs a value"
            complaint = option.complaint(value if equals else following or "")
            if complaint is not None:
                return f"{name}: {complaint}"
    if any(EXIT_OPTIONS.match(name) for name in given):
        return None
    if not free and (missing := re.search(r"^positional arguments:\n  (\w+)", help_text(command), re.MULTILINE)):
        if f"[{missing[1].upper()}]" not in help_text(command):
            return f"the following arguments are required: {missing[1]}"
        if not given & {"-c", "--config", "--data"} and not any(name.startswith("--data.") for name in given):
            return f"give either a {missing[1].upper()} of posts, or a data set with --data or --config"
    return _missing(command, options, given, words)


def _is_unlisted(name: str, options: dict[str, Option]) -> bool:
    """Whether only the parser knows an option: inside one that takes a class, or of another version of Lightning."""
    if name.startswith("--trainer.") and version("pytorch-lightning") != LIGHTNING:
        return True
    parents = [name[: at.start()] for at in re.finditer(r"\.", name)]
    return any(parent in options and not options[parent].is_section for parent in parents)


def _missing(command: str, options: dict[str, Option], given: set[str], words: Sequence[str]) -> str | None:
    required = [*REQUIRED.get(command, ()), *(name for name, option in options.items() if option.is_required)]
    missing = [name for name in required if not any(each.split(".")[0] == name for each in given)]
    if missing and (sections := _sections(words)) is not None:
        missing = [name for name in missing if name.removeprefix("--") not in sections]
    elif missing and any(name in ("-c", "--config") for name in given):
        return None
    if not missing:
        return None
    remedies = {
        "--data": "--config demo or another name of mner configs, or --data with the name of a class",
        "--model": "--config 1.0_bert_crf or another name of mner configs, or --model with the name of a class",
        "--ckpt_path": "--ckpt_path runs/0/best.ckpt",
    }
    return "\n".join(
        [
            f"the following arguments are required: {', '.join(missing)}",
            *(f"  {name}: {remedies[name]}" for name in missing if command in TRAINING_COMMANDS),
        ]
    )


def _sections(words: Sequence[str]) -> set[str] | None:
    """The top-level keys of the configs among the options; ``None`` if one cannot be read."""
    keys: set[str] = set()
    pairs = zip(words, [*words[1:], ""], strict=False)
    configs = [
        word.partition("=")[2] if "=" in word else value
        for word, value in pairs
        if word.partition("=")[0] in ("-c", "--config")
    ]
    for config in configs:
        path = Path(config)
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8") if path.is_file() else config)
        except (OSError, ValueError, yaml.YAMLError):
            return None
        if not isinstance(content, dict):
            return None
        keys |= {key for key, value in content.items() if value is not None}
    return keys

"""Usage errors found from the help texts only, so that they appear before anything heavy is imported."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from mner.cli.class_usage import ChosenClasses
from mner.cli.option import Option, options_in
from mner.cli.parsing import CONFIG_OPTIONS, with_config_files
from mner.cli.static_help import LIGHTNING, TRAINING_COMMANDS, class_help, described_classes, help_text
from mner.errors import ConfigurationError
from mner.paths import is_file

REQUIRED = dict.fromkeys(TRAINING_COMMANDS, ("--data", "--ckpt_path")) | dict.fromkeys(
    ("fit", "cache"), ("--data", "--model")
)
"""Options that a training command needs, on the command line or in a config."""
EXIT_OPTIONS = re.compile(r"--print_config|--help|-h$|--[\w.]+\.help")


def usage_error(command: str, arguments: Sequence[str], has_imports: bool = False) -> str | None:
    """Find the first usage error that needs no parser: an unknown option, config or value, or a missing option.

    Args:
        command: The command.
        arguments: Its arguments.
        has_imports: Whether the user names modules, whose classes only the parser can find.

    Returns:
        A message, or ``None`` if nothing is found; the parser may still refuse the options.
    """
    try:
        words = with_config_files(arguments)
    except ConfigurationError as error:
        return str(error)
    options = options_in(help_text(command))
    classes = ChosenClasses(options, has_imports)
    given: set[str] = set()
    sections: set[str] = set()  # top-level keys of the configs
    readable = True
    free = 0  # words that are neither options nor, as far as the help says, their values
    follows_value_option = False
    for word, following in zip(words, [*words[1:], None], strict=False):
        if word == "--":
            break
        if not is_option(word):
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
            complaint = None if written.endswith("+") else option.complaint(value if equals else following or "")
            if complaint is not None:
                return f"{name}: {complaint}"
        text = value if equals else following or ""
        if name in CONFIG_OPTIONS:
            content = config_content(text)
            readable &= content is not None
            sections |= {key for key, part in (content or {}).items() if part is not None}
            complaint = classes.complaint("", content)
        else:
            complaint = classes.complaint(name.removeprefix("--"), f"[{text}]" if written.endswith("+") else text)
        if complaint is not None:
            return complaint
    if any(EXIT_OPTIONS.match(name) for name in given):
        return None
    if not free and (missing := re.search(r"^positional arguments:\n  (\w+)", help_text(command), re.MULTILINE)):
        if f"[{missing[1].upper()}]" not in help_text(command):
            return f"the following arguments are required: {missing[1]}"
        if not given & {"-c", "--config", "--data"} and not any(name.startswith("--data.") for name in given):
            return f"give either a {missing[1].upper()} of posts, or a data set with --data or --config"
    return _missing(command, options, given, sections) if readable else None


def is_option(word: str) -> bool:
    """Whether an argument is an option rather than a value; a negative number is a value."""
    return re.match(r"--?[A-Za-z]", word) is not None


def requested_class_help(arguments: Sequence[str]) -> str | None:
    """Return the help of a class of mner if ``--OPTION.help CLASS`` asks for it, else ``None``.

    Without a class it is that of the class chosen by ``--OPTION``.
    """
    given = {}
    for word, following in zip(arguments, [*arguments[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        given[name] = value if equals else following
    for name, value in given.items():
        if name.startswith("--") and name.endswith(".help"):
            option = name.removesuffix(".help")
            wanted = given.get(option) if not value or is_option(value) else value
            for path in described_classes():
                if wanted in (path, path.rpartition(".")[2]):
                    return class_help(path, option.removeprefix("--"))
    return None


def _is_unlisted(name: str, options: dict[str, Option]) -> bool:
    """Return whether only the parser knows an option: inside one of a class, or of another version of Lightning."""
    if name.startswith("--trainer.") and version("pytorch-lightning") != LIGHTNING:
        return True
    parents = [name[: at.start()] for at in re.finditer(r"\.", name)]
    return any(parent in options and not options[parent].is_section for parent in parents)


def _missing(command: str, options: dict[str, Option], given: set[str], sections: set[str]) -> str | None:
    required = [*REQUIRED.get(command, ()), *(name for name, option in options.items() if option.is_required)]
    there = {each.split(".")[0] for each in given} | {f"--{section}" for section in sections}
    missing = [name for name in required if name not in there]
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


def config_content(config: str) -> dict[str, Any] | None:
    """Read a config, given by its path or as YAML; ``None`` if it cannot be read."""
    path = Path(config)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8") if is_file(path) else config)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return content if isinstance(content, dict) else None

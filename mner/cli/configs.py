"""``mner configs``: lists, prints and copies the configs that ship with mner."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from mner.cli.parsing import OptionParser
from mner.errors import OutputError
from mner.files import atomic_write
from mner.paths import is_folder, is_there
from mner.shipped_configs import FOLDER, shipped_config, shipped_configs


def parser() -> OptionParser:
    """The options of ``mner configs``."""
    options = OptionParser(
        prog="mner configs",
        description="List the configs that ship with mner. Their names can be given to --config, like the path of a "
        "file; a file of that name takes precedence.",
    )
    show = OptionParser(description="Print a config.")
    show.add_argument("name", type=str, help="Name of the config.")
    copy = OptionParser(description="Copy a config, to edit it.")
    copy.add_argument("name", type=str, help="Name of the config.")
    copy.add_argument("destination", type=str, nargs="?", default=".", help="New file, or an existing folder.")
    actions = options.add_subcommands(required=False, dest="action")
    actions.add_subcommand("list", OptionParser(description="List the configs."), help="List the configs (default).")
    actions.add_subcommand("show", show, help="Print a config.")
    actions.add_subcommand("copy", copy, help="Copy a config, to edit it.")
    return options


def run(arguments: Sequence[str]) -> None:
    """List, print or copy.

    Raises:
        ConfigurationError: If no config has the name.
        OutputError: If a copy would overwrite a file.
    """
    options = parser().parse_args(list(arguments[1:]))
    if options.action == "show":
        print(shipped_config(options.show.name).read_text(encoding="utf-8"), end="")
    elif options.action == "copy":
        print(_copy(shipped_config(options.copy.name), Path(options.copy.destination)))
    else:
        print(_listing())


def _listing() -> str:
    shipped = shipped_configs()
    width = max(map(len, shipped))
    lines = []
    for folder, paths in groupby(shipped.values(), lambda path: path.parent):
        lines += [] if folder == FOLDER else ["", f"{folder.name}:"]
        lines += [f"  {path.stem:<{width}}  {description(path)}" for path in paths]
    return "\n".join(lines).strip("\n")


def description(path: Path) -> str:
    """Return the description of a config, the comment in its first line."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _copy(source: Path, destination: Path) -> Path:
    target = destination / source.name if is_folder(destination) else destination
    if is_there(target):
        raise OutputError(f"{target} exists; give the copy another name: mner configs copy {source.stem} FILE")
    with atomic_write(target) as file:
        file.write(source.read_text(encoding="utf-8"))
    return target

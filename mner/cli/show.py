"""``mner show``: posts with their gold and predicted entities highlighted, in the terminal or as an HTML page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mner.cli.parsing import OptionParser
from mner.cli.post_options import add_columns
from mner.data.columns import Columns, parse_columns
from mner.data.readers import read_posts
from mner.display.render import KINDS, render
from mner.errors import ConfigurationError, DataError
from mner.paths import is_file
from mner.post_json import from_json
from mner.posts import Post
from mner.predictions import Prediction, read_predictions
from mner.terminal import printable

MAX_FIRST_LINE = 1 << 20
"""Bytes of the first line that are read to recognise predictions."""


def parser() -> OptionParser:
    """The options of ``mner show``."""
    options = OptionParser(
        prog="mner show",
        description="Show posts with their entities highlighted; predictions of annotated posts are compared with the "
        "gold entities. Prints text, or writes a self-contained HTML page in which posts can be filtered by kind of "
        "error.",
    )
    options.add_argument(
        "file",
        type=Path,
        help="Predictions of mner test, mner predict or mner tag, or posts in any format that mner tag reads.",
    )
    options.add_argument("--output", type=Path | None, default=None, help="An HTML file to write instead of text.")
    options.add_argument(
        "--images", type=Path | None, default=None, help="Folder of the images, which are then embedded in the page."
    )
    add_columns(options)
    options.add_argument(
        "--kinds",
        type=str,
        choices=KINDS,
        nargs="+",
        default=None,
        help="Show only posts with entities of these kinds, or without entities (none) (default: all).",
    )
    options.add_argument("--title", type=str | None, default=None, help="Heading of the page (default: the file name).")
    options.require("output", "images", "title")
    return options


def run(arguments: Sequence[str]) -> None:
    """Show the posts of a file.

    Raises:
        MNERError: If the file cannot be read or the page cannot be written.
    """
    options = parser().parse_args(list(arguments[1:]))
    rendering = render(
        posts_in(options.file, parse_columns(options.columns)),
        title=options.file.name if options.title is None else options.title,
        images=False if options.images is None else options.images,
        kinds=options.kinds or list(KINDS),
    )
    if options.output is None:
        Console(file=sys.stdout, highlight=False, soft_wrap=True).print(rendering)
        return
    rendering.save(options.output)
    print(printable(options.output))


def posts_in(path: Path, columns: Columns | None = None) -> Sequence[Post | Prediction]:
    """Read predictions, recognised by their first line, or posts in any format.

    Raises:
        FormatError: If the file is malformed.
        ConfigurationError: If it has predictions, whose keys are always mner's, and columns are given.
    """
    if is_file(path) and _has_predictions(path):
        if columns is not None:
            raise ConfigurationError(f"--columns are those of posts, and {path} has predictions; leave them out")
        return read_predictions(path)
    return read_posts(path, columns=columns)


def _has_predictions(path: Path) -> bool:
    with path.open("rb") as file:
        line = file.readline(MAX_FIRST_LINE)
    try:
        record = from_json(line.decode("utf-8-sig", "surrogatepass"))
    except (DataError, UnicodeDecodeError):
        return False
    return isinstance(record, dict) and "predicted" in record

"""A Sphinx directive that shows what every ``mner`` command says of itself under ``--help``."""

import contextlib
import io
import sys
from unittest.mock import patch

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mner.cli import COMMANDS, main


class CommandHelp(SphinxDirective):
    """One section a command: the words of the overview, then its help."""

    def run(self) -> list[nodes.Node]:
        """Ask every command."""
        return [self._section(name, summary) for name, (_, summary) in COMMANDS.items()]

    def _section(self, name: str, summary: str) -> nodes.section:
        title = f"mner {name}"
        section = nodes.section(ids=[nodes.make_id(title)], names=[title])
        section += nodes.title(text=title)
        section += nodes.paragraph(text=f"{summary[0].upper()}{summary[1:]}.")
        section += nodes.literal_block(text=help_of(name), language="text")
        return section


def help_of(name: str) -> str:
    """The text that ``mner NAME --help`` prints."""
    printed = io.StringIO()
    with (
        patch.object(sys, "argv", ["mner", name, "--help"]),
        patch.dict("os.environ", COLUMNS="90"),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        main()
    return printed.getvalue()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}

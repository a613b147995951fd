"""The column of mner in the table of contributing/structure.md, measured when the documentation is built."""

import runpy
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[1]
PAGE = "contributing/structure"


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace "measured" in the rows of the table.

    Raises:
        ExtensionError: If the table lacks a row.
    """
    if page != PAGE:
        return
    for name, value in runpy.run_path(str(ROOT / "benchmarks" / "structure.py"))["measure"](ROOT / "mner").items():
        row = f"| {name} | measured |"
        if row not in source[0]:
            raise ExtensionError(f"{PAGE} has no row {row}")
        source[0] = source[0].replace(row, f"| {name} | {value} |")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the replacement."""
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True}

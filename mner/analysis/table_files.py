"""The tables of a report as CSV and LaTeX, by file name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mner.analysis.report_sections import Section
from mner.analysis.report_values import numeric_columns
from mner.file_names import file_names
from mner.terminal import printable

_MATHEMATICAL = {"<": "$<$", ">": "$>$", "±": r"$\pm$", "-": "$-$", "|": r"\textbar{}"}
"""What TeX's default font shows as another character, or as a hyphen, and what pandas does not escape."""
_SYMBOL = re.compile(r"[<>±|]|(?<![\w.])-(?=\d)")


def table_files(sections: Sequence[Section]) -> Iterator[tuple[str, str]]:
    """Render every table twice.

    The LaTeX needs the package ``booktabs``; what TeX would interpret is escaped.

    Args:
        sections: The sections of the report.

    Yields:
        File name and content.
    """
    tables = [(section.title.lower().replace(" ", "_"), table) for section in sections for table in section.tables]
    for name, (_, table) in zip(file_names(title for title, _ in tables), tables, strict=True):
        shown = table.map(printable)
        yield f"{name}.csv", shown.to_csv(index=False)
        alignment = "".join("r" if is_numeric else "l" for is_numeric in numeric_columns(shown))
        latex = shown.to_latex(index=False, escape=True, column_format=alignment)
        yield f"{name}.tex", _SYMBOL.sub(lambda found: _MATHEMATICAL[found[0]], latex)

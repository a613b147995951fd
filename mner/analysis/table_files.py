"""The tables of a report as CSV and LaTeX, by file name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mner.analysis.report_sections import Section
from mner.file_names import file_names
from mner.terminal import printable


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
        yield f"{name}.tex", shown.to_latex(index=False, escape=True)

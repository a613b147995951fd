"""Rendering a report as Markdown, and as one self-contained HTML file; everything from data is escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import indent

from markupsafe import Markup

from mner.analysis.report_sections import Section
from mner.analysis.report_values import numeric_columns
from mner.markdown import escape_markdown
from mner.templates import template_environment
from mner.terminal import printable, printable_lines


def to_markdown(title: str, summary: Sequence[str], sections: Sequence[Section], figures: Mapping[str, str]) -> str:
    """Render a report as Markdown.

    Args:
        title: Its heading.
        summary: Its summary, a sentence each.
        sections: Its sections.
        figures: File name of each figure, relative to the report.
    """
    environment = template_environment("mner.analysis", escape_markdown)
    environment.filters["numeric_columns"] = numeric_columns
    # Indented, which shows it as it is: no line of a post can end the block.
    environment.filters["code_block"] = lambda text: Markup(indent(printable_lines(text), "    "))
    return environment.get_template("report.md.jinja").render(
        title=title, summary=summary, sections=sections, figures={name: Markup(file) for name, file in figures.items()}
    )


def to_html(title: str, summary: Sequence[str], sections: Sequence[Section], svg: Callable[[str], str]) -> str:
    """Render a report as one HTML file, with figures and style embedded.

    Args:
        title: Its heading.
        summary: Its summary, a sentence each.
        sections: Its sections.
        svg: Returns the SVG of a figure by its name.
    """
    environment = template_environment("mner.analysis", printable)
    environment.filters["numeric_columns"] = numeric_columns
    environment.filters["rendered"] = Markup
    figures = {name: Markup(svg(name)) for section in sections for name in section.figures}
    return environment.get_template("report.html.jinja").render(
        title=title, summary=summary, sections=sections, figures=figures
    )

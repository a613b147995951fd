"""A report as Markdown, and as one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from mner.analysis.report_sections import Section, Table

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff; --line: #d5d5d5; --soft: #f4f4f4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #16181b; --line: #3a3d41; --soft: #202327; } }
body { color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 70rem; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.7rem; text-align: left; vertical-align: top; }
th { background: var(--soft); } td { white-space: nowrap; } td:last-child { white-space: normal; min-width: 6rem; }
figure { margin: 1.5rem 0; background: #ffffff; display: inline-block; padding: 0.5rem; max-width: 100%; }
figure svg { max-width: 100%; height: auto; }
@media print { body { max-width: none; margin: 0; } section { break-inside: avoid; } }
"""


def to_markdown(title: str, summary: Sequence[str], sections: Sequence[Section], figures: Mapping[str, str]) -> str:
    """Write a report as Markdown.

    Args:
        title: Its heading.
        summary: Sentences.
        sections: Its parts.
        figures: File of each figure, relative to the report.
    """
    parts = [f"# {title}", "\n".join(f"* {sentence}" for sentence in summary)]
    for section in sections:
        parts += [f"## {section.title}", section.text]
        parts += [_markdown_table(table) for table in section.tables]
        parts += [f"![{_words(name)}]({figures[name]})" for name in section.figures]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_html(title: str, summary: Sequence[str], sections: Sequence[Section], svg: Callable[[str], str]) -> str:
    """Write a report as one HTML file, figures and style inside it.

    Args:
        title: Its heading.
        summary: Sentences.
        sections: Its parts.
        svg: Gives the SVG of a figure by its name.
    """
    body = [f"<h1>{escape(title)}</h1>", "<ul>", *(f"<li>{escape(sentence)}</li>" for sentence in summary), "</ul>"]
    for section in sections:
        body.append(f"<section>\n<h2>{escape(section.title)}</h2>")
        if section.text:
            body.append(f"<p>{escape(section.text)}</p>")
        body += [_html_table(table) for table in section.tables]
        body += [f'<figure aria-label="{escape(_words(name))}">{svg(name)}</figure>' for name in section.figures]
        body.append("</section>")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    content = "\n".join(body)
    page = f'<html lang="en">\n<head>{head}<style>{STYLE}</style></head>\n<body>\n{content}\n</body>\n</html>'
    return f"<!doctype html>\n{page}\n"


def _markdown_table(table: Table) -> str:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in row)} |" for row in rows
    )


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'


def _words(name: str) -> str:
    return name.replace("_", " ")

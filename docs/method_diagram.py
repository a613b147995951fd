"""Sphinx directives that draw methods: boxes and arrows from lines such as ``words -> attention -> CRF``."""

import re
from html import escape
from itertools import pairwise
from pathlib import Path
from statistics import mean

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 128, 38, 34, 16, 6
KINDS = {
    "text": ("post", "word", "text encoder", "context", "character"),
    "image": ("image", "region vectors", "pooled", "mean of", "detector", "SigLIP"),
    "output": ("CRF", "entities"),
}
CARD = """:::{grid-item-card} %s
:link: /methods/%s
:link-type: doc

%s

```{method-diagram}
%s
```
:::
"""


class MethodDiagram(SphinxDirective):
    """The diagram of a method: each line a chain of boxes."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        return [nodes.raw("", drawing(list(self.content)), format="html")]


class MethodGallery(SphinxDirective):
    """A card for the page of each method, with its first sentence and its diagram."""

    def run(self) -> list[nodes.Node]:
        """Read the pages next to this one."""
        this = Path(self.env.doc2path(self.env.docname))
        cards = []
        for page in sorted(this.parent.glob("*.md")):
            if page != this:
                self.env.note_dependency(str(page))
                cards.append(card(page.stem, page.read_text(encoding="utf-8")))
        return self.parse_text_to_nodes("".join(["::::{grid} 1\n:gutter: 3\n\n", *cards, "::::\n"]))


def card(name: str, page: str) -> str:
    """The card of a method, from the text of its page.

    Raises:
        ExtensionError: If the page does not start with a title, a diagram and a paragraph.
    """
    start = re.match(r"# (.+)\n\n```{method-diagram}\n(.*?)\n```\n\n(.+?)(?:(?<!\bal)\.\s|:?\n\n)", page, re.DOTALL)
    if start is None:
        raise ExtensionError(f"docs/methods/{name}.md: expected a title, a method-diagram and a paragraph")
    title, diagram, sentence = start.groups()
    return CARD % (title, name, f"{sentence}.", diagram)


def drawing(lines: list[str]) -> str:
    """The diagram as SVG that takes its colours from the page's style sheet."""
    edges = [pair for line in lines for pair in pairwise(line.split(" -> "))]
    columns = _columns(edges)
    chains = [_chain(edge, columns) for edge in edges]
    places = _places(columns, chains)
    width = max(x for x, _ in places.values()) + WIDTH + MARGIN
    height = max(y for _, y in places.values()) + HEIGHT + MARGIN
    description = escape("; ".join(lines).replace(" -> ", " to "))
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px"'
    parts = [f'<svg class="method-diagram" {size} role="img" aria-label="{description}">']
    parts += [_arrow([places[name] for name in chain]) for chain in chains]
    parts += [_box(name, *places[name]) for name in columns]
    return "".join(['<div class="scrolled">', *parts, "</svg></div>"])


def _columns(edges: list[tuple[str, str]]) -> dict[str, int]:
    """The column of every box: one after the last of those that lead to it; an input stands before its first use."""
    columns = dict.fromkeys((name for edge in edges for name in edge), 0)
    for _ in columns:
        for start, end in edges:
            columns[end] = max(columns[end], columns[start] + 1)
    inputs = columns.keys() - {end for _, end in edges}
    return {
        name: min(columns[end] for start, end in edges if start == name) - 1 if name in inputs else column
        for name, column in columns.items()
    }


def _chain(edge: tuple[str, str], columns: dict[str, int]) -> list[str]:
    """The boxes that an arrow joins, and a free place in every column that it crosses."""
    start, end = edge
    return [start, *(f"{start} -> {end} {each}" for each in range(columns[start] + 1, columns[end])), end]


def _places(columns: dict[str, int], chains: list[list[str]]) -> dict[str, tuple[float, float]]:
    """The corner of every box and free place; those of a column stand in the order of what leads to them."""
    places: dict[str, tuple[float, float]] = {}
    members: list[list[str]] = [[] for _ in range(max(columns.values()) + 1)]
    for name, column in columns.items():
        members[column].append(name)
    for chain in chains:
        for place, name in enumerate(chain[1:-1], start=columns[chain[0]] + 1):
            members[place].append(name)
    before = {
        name: [first for chain in chains for first, second in pairwise(chain) if second == name]
        for names in members
        for name in names
    }
    tallest = max(map(len, members))
    for column, names in enumerate(members):
        height = {name: mean(places[each][1] for each in before[name]) if before[name] else 0.0 for name in names}
        for row, name in enumerate(sorted(names, key=height.__getitem__)):
            down = (row + (tallest - len(names)) / 2) * (HEIGHT + GAP_Y)
            places[name] = MARGIN + column * (WIDTH + GAP_X), MARGIN + down
    return places


def _arrow(corners: list[tuple[float, float]]) -> str:
    (x, y), *others = [(left, down + HEIGHT / 2) for left, down in corners]
    path = f"M{x + WIDTH},{y}"
    x += WIDTH
    for left, down in others:
        path += f" C{x + 22},{y} {left - 22},{down} {left - 7},{down}"
        if (left, down) != others[-1]:
            path += f" H{left + WIDTH}"
        x, y = left + WIDTH, down
    left, down = others[-1]
    return f'<path class="edge" d="{path}"/><path class="tip" d="M{left - 1},{down} l-7,-4 v8 z"/>'


def _box(name: str, x: float, y: float) -> str:
    kind = next((kind for kind, words in KINDS.items() if name.startswith(words)), "fusion")
    lines = _wrapped(name)
    top = y + HEIGHT / 2 + 4.5 - (len(lines) - 1) * 7
    texts = (
        f'<text x="{x + WIDTH / 2}" y="{top + 14 * place}">{escape(line)}</text>' for place, line in enumerate(lines)
    )
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="7"/>{"".join(texts)}'


def _wrapped(name: str) -> list[str]:
    """One line, or two of similar length where one would be wider than the box."""
    if len(name) <= 17:
        return [name]
    middle = min(
        (place for place, letter in enumerate(name) if letter == " "), key=lambda place: abs(place - len(name) / 2)
    )
    return [name[:middle], name[middle + 1 :]]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("method-diagram", MethodDiagram)
    app.add_directive("method-gallery", MethodGallery)
    return {"parallel_read_safe": True}

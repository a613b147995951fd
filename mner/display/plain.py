"""Posts as text in a terminal: entities in brackets and colour, errors listed below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text

from mner.analysis.error_kinds import KIND_NAMES
from mner.display.marked_post import Difference, MarkedPost, Segment
from mner.posts import Entity
from mner.terminal import printable

COLOURS = ("blue", "green", "yellow", "magenta", "cyan", "red")
ERROR = "bold red"


def to_text(posts: Iterable[MarkedPost]) -> Text:
    """Render posts as text, one per line, with a line per error.

    Control characters are escaped, so that the text of a post cannot control the terminal.
    """
    lines: list[Text] = []
    colours: dict[str, str] = {}
    for each in posts:
        name = f"{printable(each.post.id)}: " if each.post.id else ""  # what a tagger returns has no id
        rows = list(each.rows.items())
        for label, segments in rows:
            line = Text(name, style="dim")
            line.append(f"{label:<10}" if len(rows) > 1 else "")
            lines.append(line.append_text(_row(segments, colours)))
        lines += [Text(f"{' ' * len(name)}{describe(difference)}", ERROR) for difference in each.differences]
    return Text("\n").join(lines)


def describe(difference: Difference) -> str:
    """Describe an error in one line, for example ``wrong type: Oslo, gold LOC, predicted PER 0.61``."""
    gold, found = difference.gold, difference.predicted
    kind = KIND_NAMES[difference.kind]
    if gold is None or found is None:
        return f"{kind}: {_named(gold or found)}"
    if gold.span[1:] == found.span[1:]:
        return f"{kind}: {printable(gold.text)}, gold {printable(gold.type)}, predicted {label_of(found)}"
    return f"{kind}: gold {_named(gold)}, predicted {_named(found)}"


def label_of(entity: Entity) -> str:
    """The type of an entity, and its confidence if it has one."""
    confidence = "" if entity.confidence is None else f" {entity.confidence:.2f}"
    return f"{printable(entity.type)}{confidence}"


def _named(entity: Entity | None) -> str:
    return "" if entity is None else f"{printable(entity.text)} {label_of(entity)}"


def _row(segments: Sequence[Segment], colours: dict[str, str]) -> Text:
    row = Text()
    for segment in segments:
        text = printable(segment.text)
        if segment.entity is None:
            row.append(text, "none")
        else:
            colour = colours.setdefault(segment.entity.type, COLOURS[len(colours) % len(COLOURS)])
            row.append(f"[{text} {label_of(segment.entity)}]", f"bold {colour}")
    return row

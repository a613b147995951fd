"""Raw text: plain lines, or texts with entities by character offset, cut into words here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mner.data.lines import Line, Report, read_each
from mner.data.spans import Span, read_spans
from mner.labels import tags_of
from mner.posts import Entity, Post
from mner.word_tokenizers import split_words


@dataclass(frozen=True, slots=True)
class CutText:
    """A text cut into words.

    Args:
        words: The words.
        offsets: Character offsets of each.
        tags: One tag a word, or ``None``.
        cuts: How many words were cut in two so that an entity begins or ends between words.
    """

    words: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    tags: tuple[str, ...] | None
    cuts: int


def read_plain_text(lines: Iterable[Line], report: Report) -> Iterator[Post]:
    """Read a post from each line that is not blank, named by its line number."""

    def read(line: Line) -> Post:
        cut = cut_text(line.text, None, line)
        return Post(str(line.number), cut.words, text=line.text, offsets=cut.offsets)

    return read_each((line for line in lines if not line.blank), read, report)


def cut_text(text: str, spans: Iterable[Any] | None, line: Line) -> CutText:
    """Cut a text into words, and its entities with it.

    A word through which an entity's boundary runs is cut there, so that no entity is lost, moved or widened.

    Args:
        text: The raw text.
        spans: Its entities as JSON gave them, or ``None`` where it is not annotated.
        line: The line they stand in.

    Raises:
        FormatError: If a span is malformed, holds no word, or its text is not what the file says it is.
    """
    offsets = split_words(text)[1]
    if spans is None:
        return CutText(tuple(text[a:b] for a, b in offsets), tuple(offsets), None, 0)
    entities = read_spans(spans, len(text), "characters", line)
    for entity in entities:
        _check_text(text, entity, line)
    uncut = len(offsets)
    offsets = _cut(offsets, {edge for entity in entities for edge in (entity.start, entity.end)})
    found = [_locate(entity, offsets, line) for entity in entities]
    return CutText(
        tuple(text[a:b] for a, b in offsets),
        tuple(offsets),
        tuple(tags_of(found, len(offsets), "BIO")),
        len(offsets) - uncut,
    )


def _cut(offsets: list[tuple[int, int]], edges: set[int]) -> list[tuple[int, int]]:
    pieces = []
    for start, end in offsets:
        inner = sorted(edge for edge in edges if start < edge < end)
        pieces += list(zip([start, *inner], [*inner, end], strict=True))
    return pieces


def _locate(span: Span, offsets: list[tuple[int, int]], line: Line) -> Entity:
    inside = [index for index, (start, end) in enumerate(offsets) if span.start <= start and end <= span.end]
    if not inside:
        raise line.error(f"the span {span.start}-{span.end} ({span.type}) holds no visible character", "Delete it")
    return Entity(span.type, inside[0], inside[-1] + 1)


def _check_text(text: str, span: Span, line: Line) -> None:
    found = text[span.start : span.end]
    if span.text is not None and span.text.strip() != found.strip():
        raise line.error(
            f"the span {span.start}-{span.end} reads {found!r}, but the file says {span.text!r}",
            "Count Unicode characters: an emoji is one, where JavaScript counts two and UTF-8 four",
        )


def label_studio_task(record: Mapping[str, Any], line: Line) -> dict[str, Any]:
    """Turn a task of Label Studio's JSON export into a record of ``text`` and ``spans``.

    Relations, choices and whatever else was annotated is kept under ``other_annotations``, and so is the task's
    remaining data.

    Raises:
        FormatError: If several people annotated the task, since nobody can tell whose spans to believe.
    """
    task = {key: value for key, value in record.items() if key not in ("data", "annotations")} | dict(record["data"])
    try:
        annotations = [list(each["result"]) for each in record["annotations"] if not each.get("was_cancelled")]
        labels = [result["value"] for results in annotations for result in results if result["type"] == "labels"]
        others = [result for results in annotations for result in results if result["type"] != "labels"]
    except (AttributeError, KeyError, TypeError) as error:
        raise line.error(
            f"annotations that Label Studio does not write ({error!r})", "Export the tasks again"
        ) from error
    if len(annotations) > 1:
        raise line.error(f"the task has {len(annotations)} annotations", "Export one annotation a task")
    if annotations:
        task["spans"] = labels
    return task | ({"other_annotations": others} if others else {})

"""Raw text: plain lines, or texts with gold entities by character offset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mner.data.lines import Line, Report, read_each
from mner.data.spans import Span, read_spans
from mner.posts import CharacterSpan, Post
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.characters import is_invisible
from mner.word_tokenizers.raw_posts import raw_post


def read_plain_text(lines: Iterable[Line], report: Report) -> Iterator[Post]:
    """Read a post from each line that is not blank, named by its line number."""

    def read(line: Line) -> Post:
        return raw_post(line.text, TweetTokenizer(), id=str(line.number))

    return read_each((line for line in lines if not line.blank), read, report)


def character_spans(text: str, spans: Iterable[Any], line: Line) -> list[CharacterSpan]:
    """Read the gold entities of a raw text.

    Args:
        text: The raw text.
        spans: Its entities as JSON gave them.
        line: The line they stand in.

    Raises:
        FormatError: If a span is malformed, has no visible character, or its text is not what the file says it is.
    """
    entities = read_spans(spans, len(text), "characters", line)
    for entity in entities:
        _check_text(text, entity, line)
        if is_invisible(text[entity.start : entity.end]):
            raise line.error(
                f"the span {entity.start}-{entity.end} ({entity.type}) has no visible character", "Delete it"
            )
    return [(entity.start, entity.end, entity.type) for entity in entities]


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

"""The answers of a writer as a file that only grows, from which a run resumes and the output is made."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mner.contexts import ContextWriter, Reply
from mner.errors import FormatError, OutputError
from mner.files import LineAppender, append_lines
from mner.output_paths import check_target
from mner.paths import is_file, is_there
from mner.post_json import to_json
from mner.prompting.query import Query

_NUMBERS: dict[str, tuple[type, ...]] = {"prompt_tokens": (int,), "answer_tokens": (int,), "seconds": (int, float)}


class AnswerJournal:
    """One JSON line per answer: its key, the post, the writer, the raw text, and what it cost.

    Answers are appended as they come and never changed, unusable ones and those to former prompts included. So nothing
    that was paid for is lost, and an answer is never asked for twice.

    Args:
        output: The file that is made of the answers; the journal is next to it, ``out.jsonl.knowledge.answers``.
        kind: Kind of the answers, so that the output of one kind is not replaced by that of another.
    """

    def __init__(self, output: Path, kind: str) -> None:
        self.output = output
        self.path = output.with_name(f"{output.name}.{kind}.answers")

    def check(self) -> None:
        """Check that the output was made from this journal.

        Raises:
            OutputError: If there is an output but no journal, so that something else wrote it; or if it
                cannot be replaced.
        """
        if is_there(self.output) and not is_there(self.path):
            raise OutputError(
                f"{self.output} is there without its answers, {self.path.name}, so another command wrote it; "
                "give another --output, or move it"
            )
        check_target(self.output)

    def read(self) -> dict[str, Reply]:
        """Read the answers by key; the last one of a key counts.

        Raises:
            FormatError: If a line is not an answer.
        """
        if not is_file(self.path):
            return {}
        replies: dict[str, Reply] = {}
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):  # the last line may be cut off; it is then asked again
                    key, reply = self._parse(line, number)
                    replies[key] = reply
        return replies

    @contextmanager
    def open(self) -> Iterator[LineAppender]:
        """Open the journal to append to it, locked against other processes.

        Raises:
            OutputError: If another run is writing it, or it cannot be written.
        """
        with append_lines(self.path) as append:
            yield append

    def record(self, query: Query, writer: ContextWriter, key: str, reply: Reply) -> str:
        """Format the line of an answer."""
        model = writer.identity.get("model", writer.identity.get("name"))
        values: dict[str, Any] = {
            "key": key,
            "id": query.id,
            "writer": writer.identity["writer"] if model is None else f"{model}",
            "answer": reply.text,
            "prompt_tokens": reply.prompt_tokens,
            "answer_tokens": reply.answer_tokens,
            "seconds": round(reply.seconds, 3),
            "truncated": reply.truncated,
            "image_size": reply.image_size,
            "error": reply.error,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        return to_json({name: value for name, value in values.items() if value is not None}) + "\n"

    def _parse(self, line: bytes, number: int) -> tuple[str, Reply]:
        try:
            record = json.loads(line)
            if not isinstance(record, Mapping) or not isinstance(record["key"], str):
                raise ValueError("no key")
            if not isinstance(record["answer"], str):
                raise ValueError("no answer")
            for name, kinds in _NUMBERS.items():
                if type(record[name]) not in kinds:
                    raise ValueError(f"{name} is not a number")
            size = record.get("image_size")
            if size is not None:
                width, height = map(int, size)
                size = (width, height)
            costs = {name: record[name] for name in _NUMBERS}
            error = record.get("error")
            return record["key"], Reply(
                record["answer"],
                **costs,
                truncated=record.get("truncated") is True,
                image_size=size,
                error=error if isinstance(error, str) else None,
                is_final=error is not None,
            )
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise FormatError(
                self.path, number, f"not an answer of a context writer ({error})", "Give another --output"
            ) from error

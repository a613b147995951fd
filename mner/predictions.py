"""What a model said of annotated or new posts, as a file: the record that every analysis reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mner.errors import DataError, FormatError
from mner.files import atomic_write
from mner.labels import spans
from mner.posts import Entity, Post


@dataclass(frozen=True, slots=True)
class Prediction:
    """A post and the entities a model found in it.

    Args:
        post: The post, with its gold tags if it has any.
        entities: The entities found, in order, with confidences.
    """

    post: Post
    entities: tuple[Entity, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as one line of a predictions file."""
        post = self.post
        record: dict[str, Any] = {"id": post.id, "words": list(post.words)}
        if post.text is not None:
            record["text"] = post.text
        if post.offsets is not None:
            record["offsets"] = [list(pair) for pair in post.offsets]
        if post.image is not None:
            record["image"] = post.image.name
        if post.contexts:
            record["contexts"] = dict(post.contexts)
        if post.tags is not None:
            record["tags"] = list(post.tags)
            record["gold"] = [_to_dict(entity, post) for entity in spans(post.tags)]
        record["predicted"] = [_to_dict(entity, post) for entity in self.entities]
        if post.metadata:
            record["metadata"] = dict(post.metadata)
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Prediction:
        """The prediction that :meth:`to_dict` described."""
        tags, offsets = record.get("tags"), record.get("offsets")
        post = Post(
            id=record["id"],
            words=tuple(record["words"]),
            tags=None if tags is None else tuple(tags),
            image=Path(record["image"]) if "image" in record else None,
            contexts=record.get("contexts", {}),
            text=record.get("text"),
            offsets=None if offsets is None else tuple((start, end) for start, end in offsets),
            metadata=record.get("metadata", {}),
        )
        return cls(post, tuple(_from_dict(entity) for entity in record["predicted"]))


def gold_tags(post: Post) -> tuple[str, ...]:
    """The gold tags of a post that is scored.

    Raises:
        DataError: If it has none.
    """
    if post.tags is None:
        raise DataError(f"post {post.id!r} has no gold tags; scores need predictions of annotated posts")
    return post.tags


def write_predictions(predictions: Iterable[Prediction], path: str | Path) -> None:
    """Write one JSON object per line.

    Raises:
        OutputError: If the file cannot be written; the former file is then unchanged.
    """
    with atomic_write(path) as file:
        file.writelines(json.dumps(prediction.to_dict(), ensure_ascii=False) + "\n" for prediction in predictions)


def read_predictions(path: str | Path) -> list[Prediction]:
    """Read a predictions file.

    Raises:
        FormatError: If the file is not there or empty, or a line is not a prediction.
    """
    if not Path(path).is_file():
        raise FormatError(path, None, "no such file", "Write it with mner test")
    predictions = list(_lines(Path(path)))
    if not predictions:
        raise FormatError(path, None, "no predictions in the file", "Write it anew with mner test")
    return predictions


def _lines(path: Path) -> Iterator[Prediction]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            yield _line(path, number, line)


def _line(path: Path, number: int, line: str) -> Prediction:
    try:
        return Prediction.from_dict(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError, DataError) as error:
        raise FormatError(
            path, number, f"not a prediction ({error!r})", "Write the file anew with mner test"
        ) from error


def _to_dict(entity: Entity, post: Post) -> dict[str, Any]:
    record: dict[str, Any] = {
        "type": entity.type,
        "text": entity.text if entity.text is not None else post.surface(entity.start, entity.end),
        "start": entity.start,
        "end": entity.end,
    }
    if entity.characters is not None:
        record["characters"] = list(entity.characters)
    if entity.confidence is not None:
        record["confidence"] = round(entity.confidence, 6)
    return record


def _from_dict(record: dict[str, Any]) -> Entity:
    characters: Sequence[int] | None = record.get("characters")
    return Entity(
        type=record["type"],
        start=record["start"],
        end=record["end"],
        text=record.get("text"),
        confidence=record.get("confidence"),
        characters=None if characters is None else (characters[0], characters[1]),
    )

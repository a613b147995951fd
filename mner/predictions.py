"""Predictions files: posts with their predicted entities, the input of every analysis."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from mner.argument_types import plain_scalar
from mner.boxes import gold_entities
from mner.errors import ConfigurationError, DataError, FormatError, LabelError
from mner.files import atomic_write
from mner.labels import spans
from mner.notebook import ShownInNotebook
from mner.paths import is_file
from mner.post_json import (
    entity_from_dict,
    entity_to_dict,
    from_json,
    post_from_dict,
    post_to_dict,
    scores_from_dict,
    to_json,
)
from mner.posts import Entity, Post
from mner.terminal import printable
from mner.unicode import repair_surrogates

Span = tuple[str, int, int]
_REMEDY = "Write the file again with mner test, or correct the line"


@dataclass(frozen=True, slots=True)
class Prediction(ShownInNotebook):
    """A post and the entities that a model predicted in it.

    Args:
        post: The post, with its gold tags if it has any.
        entities: The predicted entities, in order, with confidences.
        scores: Numbers that the model computed for the post as a whole, by name.
    """

    post: Post
    entities: tuple[Entity, ...]
    scores: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Describe the prediction as plain data, one line of a predictions file."""
        record = post_to_dict(self.post)
        metadata = record.pop("metadata", None)
        if self.post.tags is not None:
            record["gold"] = [entity_to_dict(entity, self.post) for entity in gold_entities(self.post)]
        record["predicted"] = [entity_to_dict(entity, self.post) for entity in self.entities]
        if self.scores:
            record["scores"] = {name: round(score, 6) for name, score in self.scores.items()}
        return record if metadata is None else {**record, "metadata": metadata}

    def to_json(self) -> str:
        """Encode the prediction as one line of JSON, without the line break.

        Raises:
            DataError: If the post's metadata is not plain data; NaN and infinities become ``null``.
        """
        try:
            return to_json(self.to_dict())
        except (TypeError, ValueError, RecursionError) as error:
            raise DataError(
                f"the metadata of post {self.post.id!r} is not plain JSON: {error}; leave that out"
            ) from error

    @classmethod
    def from_dict(cls, record: Any) -> Prediction:
        """Build the prediction that :meth:`to_dict` described.

        Raises:
            DataError: If the post, an entity or a score is malformed, entities overlap, or ``gold`` disagrees with the
                tags or the boxes.
            LabelError: If a tag is of no scheme that mner reads.
        """
        post = post_from_dict(record)
        entities = _entities(record, "predicted", post)
        if post.tags is not None:
            gold = {entity.span: entity.boxes for entity in gold_entities(post)}
            given = (
                {entity.span: entity.boxes for entity in _entities(record, "gold", post)} if "gold" in record else gold
            )
            if given.keys() != gold.keys():
                raise DataError(f"gold disagrees with the tags, {sorted(gold, key=lambda span: span[1])}")
            if given != gold:
                raise DataError("the boxes of gold disagree with those of the post")
        elif record.get("gold"):
            raise DataError("gold entities, but no tags")
        return cls(post, entities, scores_from_dict(record))


def check_threshold(threshold: float) -> None:
    """Check a confidence threshold.

    Raises:
        ConfigurationError: If it is not a number from 0 to 1.
    """
    if type(plain_scalar(threshold)) not in (int, float) or not 0 <= threshold <= 1:
        raise ConfigurationError(f"expected a confidence threshold from 0 to 1, got {threshold!r:.60}")


def confident(prediction: Prediction, threshold: float) -> Prediction:
    """Leave out the predicted entities whose confidence is below a threshold; those without one are kept."""
    kept = [each for each in prediction.entities if each.confidence is None or each.confidence >= threshold]
    return replace(prediction, entities=tuple(kept))


def gold_tags(post: Post) -> tuple[str, ...]:
    """Return the gold tags of a post that is scored.

    Raises:
        DataError: If it has none.
    """
    if post.tags is None:
        raise DataError(f"post {post.id!r} has no gold tags; scores need predictions of annotated posts")
    return post.tags


def gold_spans(post: Post) -> frozenset[Span]:
    """Return the gold entities of a post, by the convention ``conlleval``.

    Raises:
        DataError: If it has no gold tags.
    """
    return _spans(gold_tags(post))


def write_predictions(predictions: Iterable[Prediction], path: str | Path) -> None:
    """Write one JSON object per line.

    Raises:
        DataError: If the metadata of a post is not plain data.
        OutputError: If the file cannot be written; an existing file is then unchanged.
    """
    with atomic_write(path) as file:
        file.writelines(f"{prediction.to_json()}\n" for prediction in predictions)


def read_predictions(path: str | Path) -> list[Prediction]:
    """Read a predictions file.

    Raises:
        FormatError: If the file is missing or empty, a line is not a prediction, or a post occurs twice; names the
            line.
    """
    if not is_file(path):
        raise FormatError(path, None, "no such file", "Write it with mner test")
    predictions = list(_lines(Path(path)))
    if not predictions:
        raise FormatError(path, None, "no predictions in the file", "Write it again with mner test")
    return predictions


def _lines(path: Path) -> Iterator[Prediction]:
    line_of: dict[str, int] = {}
    repaired: list[int] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                record, halves = repair_surrogates(from_json(line.decode("utf-8-sig", "surrogatepass")))
                prediction = Prediction.from_dict(record)
            except (DataError, LabelError, UnicodeDecodeError) as error:
                raise FormatError(path, number, f"not a prediction: {error}", _REMEDY) from error
            repaired += [number] if halves else []
            first = line_of.setdefault(prediction.post.id, number)
            if first != number:
                raise FormatError(
                    path, number, f"the post {prediction.post.id!r} of line {first} again", "Keep one line per post"
                )
            yield prediction
    if repaired:
        warnings.warn(
            f"{printable(path)}: lone surrogates, halves of cut emoji, were replaced by U+FFFD in {len(repaired)} "
            f"lines, the first is {repaired[0]}",
            stacklevel=3,
        )


def _entities(record: Any, name: str, post: Post) -> tuple[Entity, ...]:
    items = record.get(name)
    if not isinstance(items, list):
        raise DataError(f"expected {name} to be a list of entities, got {items!r:.60}")
    entities = tuple(entity_from_dict(item, post) for item in items)
    for left, right in pairwise(sorted(entities, key=lambda entity: entity.start)):
        if right.start < left.end:
            raise DataError(f"the {name} entities {left.span} and {right.span} overlap; a word belongs to at most one")
    return entities


@lru_cache(maxsize=1 << 16)  # the same posts recur once per model and seed
def _spans(tags: tuple[str, ...]) -> frozenset[Span]:
    return frozenset(entity.span for entity in spans(tags))

"""A post cut into marked segments: its gold and its predicted entities, paired by kind of error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from mner.analysis.error_kinds import pair_spans
from mner.boxes import gold_entities
from mner.errors import DataError
from mner.posts import Entity, Post
from mner.predictions import Prediction, Span

NO_ENTITIES = "none"
"""Kind of a post without any entity."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the text.

    Args:
        text: The text.
        entity: The entity that it is, or ``None``.
        kind: The entity's kind of error, ``None`` where there is nothing to compare it with.
    """

    text: str
    entity: Entity | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A gold entity and what was predicted instead.

    Args:
        kind: The kind of error.
        gold: The gold entity, ``None`` if there is none.
        predicted: The predicted entity, ``None`` if there is none.
    """

    kind: str
    gold: Entity | None
    predicted: Entity | None


@dataclass(frozen=True, slots=True)
class MarkedPost:
    """What is shown of a post.

    Args:
        post: The post.
        gold: Its text with the gold entities, ``None`` if it is not annotated.
        predicted: Its text with the predicted entities, ``None`` if there are no predictions.
        differences: What was not predicted correctly.
        kinds: Kinds of error of its entities; :data:`NO_ENTITIES` if it has no entity.
    """

    post: Post
    gold: tuple[Segment, ...] | None
    predicted: tuple[Segment, ...] | None
    differences: tuple[Difference, ...]
    kinds: tuple[str, ...]

    @property
    def rows(self) -> dict[str, tuple[Segment, ...]]:
        """The texts to show by what their marks are; only one where gold and predicted entities are equal."""
        if self.gold is None:
            return {"text": _segments(self.post, [], {})} if self.predicted is None else {"predicted": self.predicted}
        if self.predicted is None:
            return {"gold": self.gold}
        if self.differences:
            return {"gold": self.gold, "predicted": self.predicted}
        return {"correct": self.predicted}


def mark_post(post: Post, entities: Sequence[Entity] | None = None) -> MarkedPost:
    """Mark the gold entities of a post, and the predicted ones if there are any predictions.

    Args:
        post: The post.
        entities: The predicted entities, or ``None``.

    Raises:
        DataError: If an entity is not within the post, or two overlap.
    """
    true = None if post.tags is None else [_with_text(entity, post) for entity in gold_entities(post)]
    found = None if entities is None else [_with_text(entity, post) for entity in entities]
    gold_spans, spans = ([entity.span for entity in each or ()] for each in (true, found))
    pairs = [] if true is None or found is None else pair_spans(gold_spans, spans)
    gold_kinds = {gold: kind for kind, gold, _ in pairs}
    found_kinds = {span: kind for kind, _, span in pairs}
    by_gold, by_found = ({entity.span: entity for entity in each or ()} for each in (true, found))
    kinds = dict.fromkeys(kind for kind, _, _ in pairs)
    return MarkedPost(
        post,
        None if true is None else _segments(post, true, gold_kinds),
        None if found is None else _segments(post, found, found_kinds),
        tuple(
            Difference(kind, gold and by_gold[gold], span and by_found[span])
            for kind, gold, span in pairs
            if kind != "correct"
        ),
        tuple(kinds) or (() if true or found else (NO_ENTITIES,)),
    )


def mark_prediction(prediction: Prediction) -> MarkedPost:
    """Mark the entities of a prediction; see :func:`mark_post`."""
    return mark_post(prediction.post, prediction.entities)


def _with_text(entity: Entity, post: Post) -> Entity:
    """Check an entity, and give it its text.

    Raises:
        DataError: If it is not within the post.
    """
    count = len(post.words)
    if not 0 <= entity.start < entity.end <= count:
        raise DataError(
            f"post {post.id!r}: expected an entity within its {count} words, got {entity.type} from {entity.start} to "
            f"{entity.end}; give an entity with the post that it was predicted in"
        )
    return replace(entity, text=post.surface(entity.start, entity.end))


def _segments(post: Post, entities: Sequence[Entity], kinds: dict[Span | None, str]) -> tuple[Segment, ...]:
    text, offsets = _text(post)
    ordered = sorted(entities, key=lambda entity: entity.start)
    for left, right in pairwise(ordered):
        if right.start < left.end:
            raise DataError(
                f"post {post.id!r}: the entities {left.span} and {right.span} overlap; show them as two predictions"
            )

    def cut() -> Iterator[Segment]:
        last = 0
        for entity in ordered:
            start, end = offsets[entity.start][0], offsets[entity.end - 1][1]
            yield Segment(text[last:start])
            yield Segment(text[start:end], entity, kinds.get(entity.span))
            last = end
        yield Segment(text[last:])

    return tuple(segment for segment in cut() if segment.text or segment.entity)


def _text(post: Post) -> tuple[str, Sequence[tuple[int, int]]]:
    """The text of a post, and the characters of each word in it."""
    if post.text is not None and post.offsets is not None:
        return post.text, post.offsets
    ends = list(accumulate(len(word) + 1 for word in post.words))
    return " ".join(post.words), [(end - 1 - len(word), end - 1) for end, word in zip(ends, post.words, strict=True)]

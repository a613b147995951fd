"""Asking a language model about a tagger's uncertain entities: keep, retype or drop each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from mner.analysis.counts import count_entities
from mner.contexts import Reply
from mner.images import ImageLoader
from mner.posts import Entity, Post
from mner.predictions import Prediction
from mner.prompting.entity_prompting import costs
from mner.prompting.entity_types import EntityTypes
from mner.prompting.json_answer import json_values, object_schema
from mner.prompting.prompt import Prompt
from mner.prompting.query import Query

Decision = Literal["keep", "retype", "drop"]
Place = tuple[int, int]
"""A prediction and an entity of it, by their indices."""


@dataclass(frozen=True)
class Verdict:
    """What the writer says of an entity.

    Args:
        decision: ``keep``, ``retype`` or ``drop``.
        type: The type of the entity, its former one unless the decision is ``retype``.
        is_usable: Whether the answer could be read; an entity with an unusable answer is kept.
        reply: The reply.
    """

    decision: Decision
    type: str
    is_usable: bool
    reply: Reply


@dataclass(frozen=True)
class ThresholdRow:
    """The effect of a threshold.

    Args:
        threshold: Entities below this confidence are asked about.
        calls: Number of entities asked about.
        kept: Of these, how many are confirmed.
        retyped: How many get another type.
        dropped: How many are dropped.
        unusable: How many stay as they are because the answer is unusable.
        f1: Micro F1 of all predictions, or ``None`` without gold tags.
    """

    threshold: float
    calls: int
    kept: int
    retyped: int
    dropped: int
    unusable: int
    f1: float | None


def uncertain(predictions: Sequence[Prediction], threshold: float) -> list[Place]:
    """Find the entities below a confidence; those without one are certain."""
    return [
        (place, index)
        for place, prediction in enumerate(predictions)
        for index, entity in enumerate(prediction.entities)
        if _is_below(entity, threshold)
    ]


def review_query(post: Post, entity: Entity, prompt: Prompt, types: EntityTypes, load: ImageLoader) -> Query:
    """Make the question about an entity."""
    listed = str(types)
    text = prompt.ask(post, (), listed, post.surface(entity.start, entity.end), entity.type)
    return Query.about(post, prompt.instruct(listed), text, load, review_schema(types))


def review_schema(types: EntityTypes) -> dict[str, Any]:
    """The JSON schema of a verdict."""
    properties = {
        "decision": {"type": "string", "enum": list(get_args(Decision))},
        "type": {"type": "string", "enum": types.names},
    }
    return object_schema(properties)


def read_verdict(reply: Reply, entity: Entity, types: EntityTypes) -> Verdict:
    """Read a reply about an entity: the last JSON object with a decision.

    A ``retype`` to the former type is a ``keep``; one to an unknown type is unusable.
    """
    given = [value for value, _ in json_values(reply.text) if isinstance(value, Mapping) and "decision" in value]
    decision = str(given[-1]["decision"]).strip().casefold() if given else ""
    if reply.error is None and decision in ("keep", "drop"):
        return Verdict("keep" if decision == "keep" else "drop", entity.type, True, reply)
    type_ = types.find(given[-1].get("type")) if given and decision == "retype" else None
    if reply.error is not None or type_ is None:
        return Verdict("keep", entity.type, False, reply)
    return Verdict("keep" if type_ == entity.type else "retype", type_, True, reply)


def apply_verdicts(
    predictions: Sequence[Prediction], verdicts: Mapping[Place, Verdict], threshold: float
) -> list[Prediction]:
    """Apply the verdicts on entities below a threshold; the cost of their replies is added to the scores of posts."""
    changed = []
    for place, prediction in enumerate(predictions):
        scores = dict(prediction.scores)
        entities = []
        for index, entity in enumerate(prediction.entities):
            verdict = verdicts.get((place, index)) if _is_below(entity, threshold) else None
            if verdict is not None:
                for name, cost in costs(verdict.reply).items():
                    scores[name] = scores.get(name, 0.0) + cost
                if verdict.decision == "drop":
                    continue
                entity = replace(entity, type=verdict.type)
            entities.append(entity)
        changed.append(replace(prediction, entities=tuple(entities), scores=scores))
    return changed


def by_threshold(
    predictions: Sequence[Prediction], verdicts: Mapping[Place, Verdict], thresholds: Sequence[float]
) -> list[ThresholdRow]:
    """Compute calls and F1 for each threshold, from the verdicts on the entities below the largest.

    Args:
        predictions: The tagger's predictions.
        verdicts: A verdict per uncertain entity.
        thresholds: Confidences.
    """
    has_gold = all(prediction.post.tags is not None for prediction in predictions)
    rows = []
    for threshold in thresholds:
        asked = [verdicts[place] for place in uncertain(predictions, threshold) if place in verdicts]
        decisions = Counter(verdict.decision for verdict in asked if verdict.is_usable)
        unusable = len(asked) - decisions.total()
        f1 = count_entities(apply_verdicts(predictions, verdicts, threshold)).score().f1 if has_gold else None
        kept, retyped, dropped = (decisions[each] for each in get_args(Decision))
        rows.append(ThresholdRow(threshold, len(asked), kept, retyped, dropped, unusable, f1))
    return rows


def _is_below(entity: Entity, threshold: float) -> bool:
    return entity.confidence is not None and entity.confidence < threshold

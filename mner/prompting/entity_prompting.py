"""Finding entities by prompting: questions about posts, and predictions from the replies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mner.contexts import Reply
from mner.images import ImageLoader
from mner.posts import Post
from mner.predictions import Prediction
from mner.prompting.box_units import BoxUnit
from mner.prompting.entity_answer import read_entity_answer
from mner.prompting.entity_types import EntityTypes
from mner.prompting.examples import texts_and_shown
from mner.prompting.json_answer import object_schema
from mner.prompting.location import locate
from mner.prompting.prompt import Prompt
from mner.prompting.query import Query, SolvedExample


@dataclass(frozen=True)
class EntityPrompting:
    """How entities are found by prompting.

    Args:
        prompt: The prompt.
        types: The entity types.
        boxes: Unit of the boxes that the model gives; ``None`` if it is asked for none.
    """

    prompt: Prompt
    types: EntityTypes
    boxes: BoxUnit | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of an answer."""
        properties: dict[str, Any] = {
            "text": {"type": "string"},
            "type": {"type": "string", "enum": self.types.names},
        }
        if self.boxes is not None:
            numbers = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
            properties["boxes"] = {"type": "array", "items": numbers}
        item = object_schema(properties)
        return object_schema({"entities": {"type": "array", "items": item}})

    def query(self, post: Post, examples: Sequence[SolvedExample], load: ImageLoader) -> Query:
        """Make the question about a post and its images; boxes are those of the first image, the only one then."""
        if self.boxes is not None:
            post = post.with_images(post.images[:1])
        types = str(self.types)
        texts, shown = texts_and_shown(examples)
        text = self.prompt.ask(post, texts, types)
        return Query.about(post, self.prompt.instruct(types), text, load, self.schema, shown)

    def predict(self, post: Post, reply: Reply) -> tuple[Prediction, Counter[str]]:
        """Read a reply.

        Returns:
            The prediction, with the cost of the reply among its scores; without entities if the answer is unusable. And
            how many answers and listed entities cannot be used as they are, by the reason.
        """
        counts: Counter[str] = Counter()
        answer = read_entity_answer(reply.text)
        scores = {**costs(reply), "unusable": float(answer is None)}
        if answer is None:
            counts["unusable answers"] += 1
            return Prediction(post, (), scores), counts
        counts["repaired answers"] += answer.is_repaired
        counts["truncated answers"] += reply.truncated
        located = locate(answer, post, self.types, self.boxes, reply.image_size)
        counts.update({f"entities {reason}": number for reason, number in located.dropped.items()})
        return Prediction(post, located.entities, scores), counts


def costs(reply: Reply) -> Mapping[str, float]:
    """What a reply cost, as scores of a prediction."""
    return {
        "seconds": reply.seconds,
        "prompt_tokens": float(reply.prompt_tokens),
        "answer_tokens": float(reply.answer_tokens),
    }

"""Writes one split of grounded demo posts, whose pictures show several objects in known boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mner.demo.collages import plan_collage
from mner.demo.drafts import Draft, Mention, Text
from mner.demo.names import TYPES
from mner.demo.scenes import DISTRACTOR, Scene, plan_scene
from mner.demo.writing import SplitWriter

SECOND_SENTENCE = 0.4  # fraction of the posts with a mention that get a second, plain one
SHOWN_TOO = 0.7  # fraction of the other mentions of a post with a related picture that it shows as well


class GroundedWriter(SplitWriter):
    """Writes the posts of one split with collages in place of pictures of one object.

    A collage shows up to two mentions of its post, each by an object of its type, and one to three distractors: things
    that no post mentions, and objects of types that none of the mentions can have. So the types in the collage
    determine which object is which mention. In a third of the posts with two mentions that have a related picture it
    shows only one of them.
    """

    def write(self, size: int) -> list[Draft]:
        """Write ``size`` posts, in random order."""
        return [replace(draft, boxes=draft.boxes or {}) for draft in super().write(size)]

    def _with_second(self, sentence: Text) -> list[Text]:
        """Add a sentence about an entity of a type that the first cannot have."""
        free = self._free_types(sentence)
        if not free or self.rng.random() >= SECOND_SENTENCE:
            return [sentence]
        return [sentence, self._plain_sentence(self.rng.choice(free))]

    def _pictured(self, text: Text, picture: str, entity_type: str, group: int | None = None) -> Draft:
        shown: list[Mention] = []
        if picture == "related":
            shown = [m for m in text.mentions if m.type == entity_type or self.rng.random() < SHOWN_TOO]
        others = [*self._free_types(text), DISTRACTOR]
        count = self.rng.choice((1, 2)) if len(shown) == 1 else 1 if shown else self.rng.choice((2, 3))
        scenes = self._scenes([*(m.type for m in shown), *self.rng.choices(others, k=count)])
        order = self.rng.sample(range(len(scenes)), len(scenes))
        collage = plan_collage(self.rng, [scenes[index] for index in order])
        boxes = {(m.start, m.end): collage.boxes[order.index(index)] for index, m in enumerate(shown)}
        return Draft(text, picture, collage, collage.caption(self.rng), group, boxes)

    def _scenes(self, types: Sequence[str]) -> list[Scene]:
        return [plan_scene(self.rng, each, each != DISTRACTOR and next(self.novel_style)) for each in types]

    def _free_types(self, text: Text) -> list[str]:
        """List the types that no mention of a text can have."""
        taken: set[str] = set()
        for mention in text.mentions:
            name = " ".join(text.words[mention.start : mention.end])
            taken.update(self.types_of[name] if mention.kind == "ambiguous" else (mention.type,))
        return [entity_type for entity_type in TYPES if entity_type not in taken]

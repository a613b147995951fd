"""Writes one split of demo posts, with balanced names, types, sentences and pictures."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from mner.demo import names, templates
from mner.demo.drafts import Draft, Text, compose, fill
from mner.demo.names import TYPES
from mner.demo.scenes import plan_scene

T = TypeVar("T")

AMBIGUOUS_SHARE, EMPTY_SHARE = 0.5, 0.08
SECOND_SENTENCE = 0.15  # fraction of the posts with a mention that get a second, plain one


def deal(rng: random.Random, items: Iterable[T]) -> Iterator[T]:
    """Yield items endlessly and equally often, reshuffled after each pass."""
    deck = list(items)
    while True:
        yield from rng.sample(deck, len(deck))


def pool(seen: Iterable[T], novel: Iterable[T], test: bool) -> list[tuple[T, bool]]:
    """List the items of a split, each with whether it is novel: a third in the test split, none in the others."""
    return [(item, False) for item in seen] + [(item, True) for item in novel if test]


def choose_names(rng: random.Random, types_of: Mapping[str, Sequence[str]], room: int) -> list[str]:
    """Choose ambiguous names for ``room`` posts, one post per type of a name.

    Names are chosen equally often, give or take one, in an order that balances the types.
    """
    chosen: list[str] = []
    uses, counts = Counter[str](), Counter[str]()

    def cost(name: str) -> tuple[int, int]:
        after = [counts[entity_type] + (entity_type in types_of[name]) for entity_type in TYPES]
        return uses[name], max(after) - min(after)

    while fitting := [name for name in types_of if len(types_of[name]) <= room]:
        name = min(rng.sample(fitting, len(fitting)), key=cost)
        chosen.append(name)
        uses[name] += 1
        counts.update(types_of[name])
        room -= len(types_of[name])
    return chosen


class SplitWriter:
    """Writes the posts of one split.

    Args:
        rng: Random number generator.
        test: Whether to use novel names, sentences and drawings.
        written: The texts of earlier splits, which must not be repeated; those of this split are added.
    """

    def __init__(self, rng: random.Random, test: bool, written: set[tuple[str, ...]]) -> None:
        self.rng, self.written = rng, written
        self.types_of = {**names.AMBIGUOUS, **(names.NOVEL_AMBIGUOUS if test else {})}
        self.neutral = deal(rng, pool(templates.NEUTRAL, templates.NOVEL_NEUTRAL, test))
        self.empty = deal(rng, pool(templates.EMPTY, templates.NOVEL_EMPTY, test))
        self.names = {t: deal(rng, pool(names.PLAIN[t], names.NOVEL_PLAIN[t], test)) for t in TYPES}
        self.typed = {t: deal(rng, pool(templates.TYPED[t], templates.NOVEL_TYPED[t], test)) for t in TYPES}
        self.types = deal(rng, TYPES)
        self.novel_style = deal(rng, (False, False, test))
        self.picture = deal(rng, ("related", "related", "unrelated", "missing"))

    def write(self, size: int) -> list[Draft]:
        """Write ``size`` posts, in random order."""
        chosen = choose_names(self.rng, self.types_of, round(AMBIGUOUS_SHARE * size))
        drafts = [draft for group, name in enumerate(chosen) for draft in self._ambiguous(name, group)]
        empty = round(EMPTY_SHARE * size)
        drafts += [self._plain() for _ in range(size - len(drafts) - empty)]
        drafts += [self._empty() for _ in range(empty)]
        self.rng.shuffle(drafts)
        return drafts

    def _ambiguous(self, name: str, group: int) -> Iterator[Draft]:
        """Write the same words once for each type of the name, with a picture of that type."""
        template, novel = next(self.neutral)
        novel_name = name in names.NOVEL_AMBIGUOUS
        first = fill(template, name, self.types_of[name][0], "ambiguous", novel_name, novel)
        text = self._compose(self._with_second(first))
        for entity_type in self.types_of[name]:
            mentions = tuple(
                replace(mention, type=entity_type) if mention.kind == "ambiguous" else mention
                for mention in text.mentions
            )
            yield self._pictured(Text(text.words, mentions), "related", entity_type, group)

    def _plain(self) -> Draft:
        text = self._compose(self._with_second(self._plain_sentence()))
        types = [mention.type for mention in text.mentions]
        picture = next(self.picture)
        if picture == "missing":
            return Draft(text, picture)
        choice = types if picture == "related" else [t for t in TYPES if t not in types]
        return self._pictured(text, picture, self.rng.choice(choice))

    def _empty(self) -> Draft:
        sentence, _ = next(self.empty)
        text = self._compose([Text(tuple(sentence.split()))])
        if self.rng.random() < 0.5:
            return Draft(text, "missing")
        return self._pictured(text, "unrelated", self.rng.choice(TYPES))

    def _plain_sentence(self, entity_type: str | None = None) -> Text:
        entity_type = entity_type or next(self.types)
        template, novel_sentence = next(self.typed[entity_type])
        name, novel_name = next(self.names[entity_type])
        return fill(template, name, entity_type, "plain", novel_name, novel_sentence)

    def _with_second(self, sentence: Text) -> list[Text]:
        return [sentence, self._plain_sentence()] if self.rng.random() < SECOND_SENTENCE else [sentence]

    def _compose(self, sentences: Sequence[Text]) -> Text:
        while (text := compose(self.rng, sentences)).words in self.written:
            pass
        self.written.add(text.words)
        return text

    def _pictured(self, text: Text, picture: str, entity_type: str, group: int | None = None) -> Draft:
        scene = plan_scene(self.rng, entity_type, next(self.novel_style))
        return Draft(text, picture, scene, scene.caption(self.rng), group)

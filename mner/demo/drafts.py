"""Drafts of demo posts, without an id: words, mentions, and the scene of the picture."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mner.demo.collages import Collage
from mner.demo.scenes import Scene
from mner.demo.templates import EMOJI, HANDLES, HASHTAGS
from mner.labels import tags_of
from mner.posts import Box, Entity, Post


@dataclass(frozen=True)
class Mention:
    """A name in a post.

    Args:
        start: Index of its first word.
        end: Index one past its last word.
        type: Its entity type.
        kind: ``ambiguous`` if only the picture determines the type, ``plain`` if the words do.
        novel_name: Whether the name occurs in the test split only.
        novel_sentence: Whether the sentence around it does.
    """

    start: int
    end: int
    type: str
    kind: str
    novel_name: bool
    novel_sentence: bool

    def moved(self, by: int) -> Mention:
        """Return the same mention ``by`` words later."""
        return replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True)
class Text:
    """Words and the mentions in them."""

    words: tuple[str, ...]
    mentions: tuple[Mention, ...] = ()

    def __add__(self, other: Text) -> Text:
        moved = tuple(mention.moved(len(self.words)) for mention in other.mentions)
        return Text(self.words + other.words, self.mentions + moved)


def fill(template: str, name: str, entity_type: str, kind: str, novel_name: bool, novel_sentence: bool) -> Text:
    """Insert a name into a sentence; words are separated by spaces."""
    before, after = (tuple(part.split()) for part in template.split("{}"))
    inside = tuple(name.split())
    start, end = len(before), len(before) + len(inside)
    return Text(before + inside + after, (Mention(start, end, entity_type, kind, novel_name, novel_sentence),))


def compose(rng: random.Random, sentences: Sequence[Text]) -> Text:
    """Join sentences to a post, with the user names, hashtags, emoji and links of social media around them.

    The additions are independent of the types of the mentions, so they give no cue to them.
    """
    opening = rng.random()
    handle = rng.choice(HANDLES)
    post = Text(("RT", handle, ":") if opening < 0.15 else (handle,) if opening < 0.25 else ())
    for index, sentence in enumerate(sentences):
        post += (Text((rng.choice((".", "!", "...", *EMOJI)),)) if index else Text(())) + sentence
    ending = [rng.choice(EMOJI)] * rng.choice((0, 0, 1, 2)) + rng.sample(HASHTAGS, rng.choice((0, 0, 1, 2)))
    if rng.random() < 0.25:
        ending.append("https://pic.example/" + "".join(rng.choices(string.ascii_letters, k=6)))
    return post + Text(tuple(ending))


@dataclass(frozen=True)
class Draft:
    """A post without its id.

    Args:
        text: Words and mentions.
        picture: Relation of the picture to the mentions: ``related``, ``unrelated`` or ``missing``.
        scene: The scene or collage of the picture, or ``None`` if it is missing.
        caption: The picture's caption, or ``None`` if it is missing.
        group: Number of the group of posts that share their words, or ``None``.
        boxes: The box of each mention that a collage shows, by its first word and the one past its last; ``None`` in
            posts without collages.
    """

    text: Text
    picture: str
    scene: Scene | Collage | None = None
    caption: str | None = None
    group: int | None = None
    boxes: Mapping[tuple[int, int], Box] | None = None

    def post(self, split: str, number: int, images: Path | None) -> Post:
        """Make the post, with its picture in the folder ``images`` if one is given."""
        words, mentions, scene = self.text.words, self.text.mentions, self.scene
        nothing: dict[str, Any] = (
            {"shown": None, "noun": None, "style": None, "novel_style": None} if self.boxes is None else {"objects": []}
        )
        return Post(
            id=f"{split}-{number:04d}",
            words=words,
            tags=tuple(tags_of([Entity(m.type, m.start, m.end) for m in mentions], len(words))),
            image=images / scene.name if images is not None and scene is not None else None,
            contexts={} if self.caption is None else {"caption": self.caption},
            metadata={
                "mentions": [asdict(mention) for mention in mentions],
                "group": None if self.group is None else f"{split}-{self.group}",
                "picture": self.picture,
                **(nothing if scene is None else scene.described()),
            },
            boxes=None if self.boxes is None else {words: (box,) for words, box in self.boxes.items()},
        )

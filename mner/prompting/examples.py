"""Which solved examples a prompt shows for each post."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mner.boxes import gold_entities
from mner.errors import ConfigurationError, ImageError
from mner.images import ImageLoader
from mner.posts import Post
from mner.prompting.box_units import BoxUnit, in_unit
from mner.prompting.prompt import Prompt
from mner.prompting.query import SolvedExample, hash_image
from mner.prompting.similar_posts import SimilarPosts

Solve = Callable[[Post], str]
"""Returns the answer of a training post, or an empty text if it has none."""


def solved_examples(
    posts: Sequence[Post],
    similar: SimilarPosts,
    number: int,
    prompt: Prompt,
    solve: Solve,
    images: ImageLoader | None = None,
) -> list[list[SolvedExample]]:
    """Render the examples of each post.

    Args:
        posts: The posts.
        similar: Finds the examples.
        number: Examples per post.
        prompt: The prompt.
        solve: Returns the answer of a training post.
        images: Opens the images of examples that are shown with their images; ``None`` to show texts only.

    Raises:
        ConfigurationError: If the prompt shows no examples.
    """
    if not prompt.example or "${examples}" not in prompt.question:
        raise ConfigurationError(
            f"the prompt {prompt.kind!r} shows no examples; add ${{examples}} to its question and an example, or leave "
            "--examples out"
        )
    chosen = similar.find(posts, number)
    distinct = {id(post): post for found in chosen for post in found}
    solved = {place: _solved(post, prompt.solve(post, solve(post)), images) for place, post in distinct.items()}
    return [[solved[id(post)] for post in found] for found in chosen]


def _solved(post: Post, text: str, images: ImageLoader | None) -> SolvedExample:
    if images is None or post.image is None:
        return SolvedExample(text)
    try:
        return SolvedExample(text, post.image, hash_image(post.image, images))
    except ImageError:
        return SolvedExample(text)


def texts_and_shown(examples: Sequence[SolvedExample]) -> tuple[list[str], list[SolvedExample]]:
    """Split examples into texts of the prompt and examples shown with their images: all are one or the other."""
    if any(example.image is not None for example in examples):
        return [], list(examples)
    return [example.text for example in examples], []


def training_posts(train: Sequence[Post], asked: Sequence[Post], solve: Solve, is_same_file: bool) -> list[Post]:
    """Choose the posts that examples may be taken from.

    Args:
        train: Posts of the training file.
        asked: The posts that are asked about.
        solve: Returns the answer of a training post.
        is_same_file: Whether the posts that are asked about are the training posts themselves, which then serve as
            examples for one another. Otherwise a post that is asked about, a test post in the training file, is left
            out.

    Raises:
        ConfigurationError: If none is left.
    """
    taken = set() if is_same_file else {(post.words, _name(post.image)) for post in asked}
    kept = [post for post in train if (post.words, _name(post.image)) not in taken and solve(post)]
    if not kept:
        raise ConfigurationError(
            "no training post is left to take examples from: give --examples FILE with annotated posts that are not "
            "asked about, or with --solutions the answers to them"
        )
    return kept


def entity_solution(post: Post, boxes: BoxUnit | None = None) -> str:
    """The gold entities of a post as the answer to a prompt for entities; empty for a post without tags.

    Args:
        post: The post.
        boxes: Unit of their boxes, which are left out where they are unknown, and in ``pixels``: the size in which a
            model sees an image is not known before it is asked.
    """
    if post.tags is None:
        return ""
    listed: dict[tuple[str, str], dict[str, Any]] = {}
    for entity in gold_entities(post):
        surface = post.surface(entity.start, entity.end)
        solution: dict[str, Any] = {"text": surface, "type": entity.type}
        if boxes not in (None, "pixels") and entity.boxes is not None:
            solution["boxes"] = [in_unit(box, boxes) for box in entity.boxes]
        listed.setdefault((surface, entity.type), solution)
    return json.dumps({"entities": list(listed.values())}, ensure_ascii=False)


def listed_solution(post: Post) -> str:
    """The gold entities of a post as a numbered list, for prompts in words; empty for a post without tags."""
    if post.tags is None:
        return ""
    entities = [f"{post.surface(entity.start, entity.end)} ({entity.type})" for entity in gold_entities(post)]
    numbered = [f"{number}. {entity}" for number, entity in enumerate(dict.fromkeys(entities), start=1)]
    return f"Named entities: {' '.join(numbered) or 'none'}"


def _name(image: Path | None) -> str:
    return "" if image is None else image.stem

"""Which solved examples a prompt shows for each post."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from mner.boxes import gold_entities
from mner.errors import ConfigurationError
from mner.posts import Post
from mner.prompting.prompt import Prompt
from mner.prompting.similar_posts import SimilarPosts

Solve = Callable[[Post], str]
"""Returns the answer of a training post, or an empty text if it has none."""


def solved_examples(
    posts: Sequence[Post], similar: SimilarPosts | None, number: int, prompt: Prompt, solve: Solve
) -> list[list[str]]:
    """Render the examples of each post.

    Args:
        posts: The posts.
        similar: Finds the examples; ``None`` for a prompt without.
        number: Examples per post.
        prompt: The prompt.
        solve: Returns the answer of a training post.

    Raises:
        ConfigurationError: If the prompt shows no examples.
    """
    if similar is None:
        return [[] for _ in posts]
    if not prompt.example or "${examples}" not in prompt.question:
        raise ConfigurationError(
            f"the prompt {prompt.kind!r} shows no examples; add ${{examples}} to its question and an example, or leave "
            "--examples out"
        )
    return [[prompt.solve(each, solve(each)) for each in found] for found in similar.find(posts, number)]


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


def entity_solution(post: Post) -> str:
    """The gold entities of a post as the answer to a prompt for entities; empty for a post without tags."""
    if post.tags is None:
        return ""
    listed = [{"text": post.surface(entity.start, entity.end), "type": entity.type} for entity in gold_entities(post)]
    unique = list({tuple(each.items()): each for each in listed}.values())
    return json.dumps({"entities": unique}, ensure_ascii=False)


def listed_solution(post: Post) -> str:
    """The gold entities of a post as a numbered list, for prompts in words; empty for a post without tags."""
    if post.tags is None:
        return ""
    entities = [f"{post.surface(entity.start, entity.end)} ({entity.type})" for entity in gold_entities(post)]
    numbered = [f"{number}. {entity}" for number, entity in enumerate(dict.fromkeys(entities), start=1)]
    return f"Named entities: {' '.join(numbered) or 'none'}"


def _name(image: Path | None) -> str:
    return "" if image is None else image.stem

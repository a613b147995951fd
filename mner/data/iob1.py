"""IOB1, in which ``B-`` only separates adjacent entities of one type, recognised from a whole data set."""

from __future__ import annotations

from dataclasses import replace

from mner.data.post_facts import PostFacts
from mner.labels import to_bio
from mner.posts import Post

MIN_OPENINGS = 2
"""Entities that begin with ``I-`` from which a data set without any other beginning is IOB1, not BIO with a slip."""


def is_iob1(facts: PostFacts) -> bool:
    """Whether posts are annotated in IOB1: entities begin with ``I-``, and with ``B-`` only after one of their type.

    A data set in which all entities begin with ``I-`` (IO) is IOB1, too: whether two adjacent words of one type are one
    entity or two is then not annotated, and they are read as one.
    """
    return facts.opened_by_i >= MIN_OPENINGS and not facts.opened_by_b and not {"E", "S"} & {t[0] for t in facts.tags}


def iob1_to_bio(post: Post) -> Post:
    """Return a post of IOB1 with the tags of BIO that have the same entities."""
    return post if post.tags is None else replace(post, tags=tuple(to_bio(post.tags)))

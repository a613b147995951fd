"""The columns of a CoNLL file: how many there are, and which contain the word and its tag."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mner.data.literals import words_of
from mner.labels import OUTSIDE

UNNUMBERED = re.compile(r"\d+-\d+|\d+\.\d+")
"""Numbers of CoNLL-U's multi-word tokens, whose words follow, and of its empty nodes, which are not in the text."""
CHUNK_TYPES = "NP|VP|PP|ADJP|ADVP|SBAR|PRT|CONJP|INTJ|LST|UCP"
"""Types of phrases, whose tags look like those of entities."""
ENTITY_TAG = re.compile(rf"[BIESLUMW]-(?!({CHUNK_TYPES})$)[^\W\d]\S*")
"""A tag of an entity, not of a phrase."""

_TAG = re.compile(r"O|X|[BIESLUMW][-_]\S+")
_CHUNK = re.compile(rf"[BIESLU][-_]({CHUNK_TYPES})")
_CONLL_U_WIDTH = 10
_NAMES = frozenset({"ner", "ne", "nes", "name", "named", "entity", "entities", "tag", "tags", "bio", "iob", "bioes"})


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a file.

    Args:
        width: Number of columns.
        numbered: Whether the first one is the number of the word in its post.
        tag_column: Index of the column of the tags.
        is_chosen: Whether the user chose that column.
    """

    width: int
    numbered: bool
    tag_column: int
    is_chosen: bool = False

    @property
    def word_column(self) -> int:
        """Index of the column of the words."""
        return int(self.numbered)

    @property
    def has_features(self) -> bool:
        """Whether the tags are in the last column of CoNLL-U, whose cells may be ``NER=B-LOC|SpaceAfter=No``."""
        return self.numbered and self.width == _CONLL_U_WIDTH == self.tag_column + 1

    def tag(self, cells: Sequence[str]) -> str | None:
        """Return the tag of a row, or ``None`` where the features of CoNLL-U have none."""
        cell = cells[self.tag_column]
        if not self.has_features or (cell != "_" and "=" not in cell):
            return cell
        features = (feature.partition("=") for feature in cell.split("|") if "=" in feature)
        return next((value for name, _, value in features if words_of(name) <= _NAMES), None)


def infer_layout(posts: Sequence[Sequence[Sequence[str]]], tag_column: int | None) -> Layout:
    """Infer the layout of a file from its first word and its first post of several words.

    The tags are in the last column, unless it has none in these posts and exactly one other column has nothing else.

    Args:
        posts: The cells of each row of the first posts.
        tag_column: Number of the column of the tags, counted from 1; by default it is inferred.
    """
    width = next((len(cells) for rows in posts for cells in rows), 0)
    numbered = width > 2 and all(map(_is_numbered, posts))
    if tag_column is not None:
        return Layout(width, numbered, tag_column - 1, is_chosen=True)
    columns = list(zip(*(cells for rows in posts for cells in rows if len(cells) == width), strict=True))
    others = [place for place in range(numbered + 1, width - 1) if all(map(_TAG.fullmatch, columns[place]))]
    moved = len(others) == 1 and not _has_tags(columns[-1])
    return Layout(width, numbered, others[0] if moved else width - 1)


def is_tag_first(posts: Sequence[Sequence[Sequence[str]]]) -> bool:
    """Whether each row is a tag and its word, in this order."""
    rows = [cells for post in posts for cells in post]
    if not rows or any(len(cells) != 2 for cells in rows):
        return False
    firsts, lasts = zip(*rows, strict=True)
    return all(map(_TAG.fullmatch, firsts)) and not any(map(_TAG.fullmatch, lasts))


def _has_tags(column: Sequence[str]) -> bool:
    """Whether a column has tags of entities, or ``O`` without tags of phrases."""
    tags = [cell for cell in column if _TAG.fullmatch(cell)]
    chunks = [tag for tag in tags if _CHUNK.fullmatch(tag)]
    return len(tags) > len(chunks) + tags.count(OUTSIDE) * bool(chunks)


def _is_numbered(rows: Sequence[Sequence[str]]) -> bool:
    """Whether most of the first cells of a post's rows number its words, from 0 or 1; any other one is an error."""
    firsts = [cells[0].rstrip(".:)") for cells in rows if not UNNUMBERED.fullmatch(cells[0])]
    counted = [sum(cell == str(number) for number, cell in enumerate(firsts, start)) for start in (0, 1)]
    return 2 * max(counted) > len(firsts)

"""Tags and the entities that they encode: BIO and BIOES, under the two conventions of common scorers.

Two words belong to one entity where the second tag *continues* the first: ``B-x`` or ``I-x`` before ``I-x`` or
``E-x``. A run of such words is an entity under ``conlleval``, the rule of the CoNLL script and seqeval's default,
on which published scores are based. Under ``strict``, seqeval's strict IOB2 and IOBES, the run counts only if its
first tag *opens* an entity and its last one *closes* it. The conventions differ on data with stray ``I-`` tags:
Twitter-2015's gold tags have about 3% more entities under ``conlleval``.

IOB1, where ``B-`` occurs only between two adjacent entities of one type, has the tags of BIO and is read as BIO;
``conlleval`` still finds its entities, and :func:`repair` rewrites it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, get_args

from mner.argument_types import check_type
from mner.errors import ConfigurationError, LabelError
from mner.posts import Entity

Scheme = Literal["BIO", "BIOES"]
Convention = Literal["conlleval", "strict"]

OUTSIDE = "O"
_PREFIXES = {"BIO": "BI", "BIOES": "BIES"}
_REMEDIES = {
    "L": "in BILOU, rename L- to E- and U- to S-",
    "U": "in BILOU, rename L- to E- and U- to S-",
    "M": "in BMES, rename M- to I-",
    "W": "in BMEWO, rename M- to I- and W- to S-",
    "X": "X marks words of a context; remove them from the post",
}


def labels_for(types: Sequence[str], scheme: Scheme = "BIO") -> list[str]:
    """List the labels of a set of entity types, ``O`` first.

    Args:
        types: Entity types, in the order of their labels.
        scheme: ``BIO`` or ``BIOES``.

    Raises:
        ConfigurationError: If the scheme is neither, or the types are not a list of strings.

    Example:
        >>> labels_for(["PER", "LOC"])
        ['O', 'B-PER', 'I-PER', 'B-LOC', 'I-LOC']
    """
    check_choice("scheme", scheme, get_args(Scheme))
    check_type("types", types, Sequence[str])
    return [OUTSIDE, *(f"{prefix}-{type_}" for type_ in types for prefix in _PREFIXES[scheme])]


@lru_cache(maxsize=4096)
def split_tag(tag: str) -> tuple[str, str]:
    """Split a tag into its prefix and its entity type, which is empty for ``O``.

    Raises:
        LabelError: If the tag is of no scheme that mner reads.

    Example:
        >>> split_tag("B-PER")
        ('B', 'PER')
    """
    prefix, _, type_ = tag.partition("-")
    if tag != OUTSIDE and (prefix not in tuple(_PREFIXES["BIOES"]) or type_ in ("", OUTSIDE)):
        remedy = _REMEDIES.get(prefix, "convert the tags to BIO, for example 'B-PER I-PER O'")
        raise LabelError(f"expected O or a BIO or BIOES tag such as B-PER, got {tag!r}; {remedy}")
    return prefix, type_


def types_of(labels: Iterable[str]) -> list[str]:
    """List the entity types of a label set, in the order of their first label.

    Raises:
        LabelError: If a label is of no scheme that mner reads.

    Example:
        >>> types_of(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
        ['PER', 'LOC']
    """
    return list(dict.fromkeys(split_tag(label)[1] for label in labels if label != OUTSIDE))


def scheme_of(tags: Iterable[str]) -> Scheme:
    """Determine the scheme of tags or labels: ``BIOES`` if there is an ``E-`` or ``S-``, else ``BIO``.

    Raises:
        LabelError: If a tag is of no scheme that mner reads.

    Example:
        >>> scheme_of(["O", "S-PER"])
        'BIOES'
    """
    prefixes = {split_tag(tag)[0] for tag in tags}
    return "BIOES" if prefixes & {"E", "S"} else "BIO"


def continues(previous: str, tag: str) -> bool:
    """Whether a tag continues the entity of the tag before it.

    Example:
        >>> continues("B-PER", "I-PER"), continues("O", "I-PER"), continues("B-LOC", "I-PER")
        (True, False, False)
    """
    (left, left_type), (right, right_type) = split_tag(previous), split_tag(tag)
    return left in "BI" and right in "IE" and left_type == right_type


def opens(tag: str) -> bool:
    """Whether a tag may follow the end of an entity or of the post: every tag but ``I-`` and ``E-``."""
    return split_tag(tag)[0] not in "IE"


def closes(tag: str, scheme: Scheme) -> bool:
    """Whether an entity or the post may end on a tag: always in BIO, not on ``B-`` and ``I-`` in BIOES."""
    return scheme == "BIO" or split_tag(tag)[0] not in "BI"


def legal_transitions(labels: Sequence[str]) -> tuple[list[bool], list[list[bool]], list[bool]]:
    """Tabulate which labels may start a post, follow one another, and end a post.

    Args:
        labels: Labels of one scheme, L of them.

    Returns:
        Three tables: ``start[j]``, ``between[i][j]`` (label j after label i) and ``end[i]``.

    Raises:
        LabelError: If a label is of no scheme that mner reads.

    Example:
        >>> start, between, end = legal_transitions(["O", "B-PER", "I-PER"])
        >>> start, between[0]
        ([True, True, False], [True, True, False])
    """
    scheme = scheme_of(labels)
    start, end = [opens(label) for label in labels], [closes(label, scheme) for label in labels]
    between = [list(start) if closed else [False] * len(labels) for closed in end]
    for row, indices in zip(between, continuations(labels), strict=True):
        for index in indices:
            row[index] = True
    return start, between, end


def continuations(labels: Sequence[str]) -> list[list[int]]:
    """List the labels that continue the entity of each label, in time linear in the number of types.

    Returns:
        For each label, the indices of those labels.

    Raises:
        LabelError: If a label is of no scheme that mner reads.

    Example:
        >>> continuations(["O", "B-PER", "I-PER"])
        [[], [2], [2]]
    """
    of_type: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        of_type.setdefault(split_tag(label)[1], []).append(index)
    return [[index for index in of_type[split_tag(label)[1]] if continues(label, labels[index])] for label in labels]


def spans(tags: Sequence[str], convention: Convention = "conlleval", scheme: Scheme | None = None) -> list[Entity]:
    """Decode the entities of a tag sequence.

    Args:
        tags: One tag per word.
        convention: ``conlleval`` (seqeval's default, every run of continuing tags) or ``strict`` (well-formed runs).
        scheme: The scheme in which ``strict`` requires well-formed runs; by default that of the sequence itself. Give
            it where a BIOES sequence may happen to have no ``E-`` and no ``S-``.

    Returns:
        Entities with type, start and end, in order.

    Raises:
        LabelError: If a tag is of no scheme that mner reads, or of BIOES where ``scheme`` is ``BIO``.
        ConfigurationError: If the convention or the scheme is unknown.

    Example:
        >>> [entity.span for entity in spans(["I-LOC", "O", "B-PER", "I-PER"])]
        [('LOC', 0, 1), ('PER', 2, 4)]
        >>> [entity.span for entity in spans(["I-LOC", "O", "B-PER", "I-PER"], "strict")]
        [('PER', 2, 4)]
    """
    check_choice("convention", convention, get_args(Convention))
    scheme = _agreed_scheme(tags, scheme)
    bounds = [i for i, tag in enumerate(tags) if i == 0 or not continues(tags[i - 1], tag)]
    return [
        Entity(split_tag(tags[start])[1], start, end)
        for start, end in pairwise([*bounds, len(tags)])
        if tags[start] != OUTSIDE
        and (convention == "conlleval" or (opens(tags[start]) and closes(tags[end - 1], scheme)))
    ]


def tags_of(entities: Iterable[Entity], length: int, scheme: Scheme = "BIO") -> list[str]:
    """Encode entities as tags, the inverse of :func:`spans`.

    Args:
        entities: Entities that do not overlap, in any order.
        length: Number of words in the post.
        scheme: ``BIO`` or ``BIOES``.

    Raises:
        LabelError: If entities overlap or reach beyond the post.
        ConfigurationError: If the scheme is unknown.

    Example:
        >>> tags_of([Entity("PER", 1, 3)], 4, "BIOES")
        ['O', 'B-PER', 'E-PER', 'O']
    """
    check_choice("scheme", scheme, get_args(Scheme))
    tags = [OUTSIDE] * length
    for entity in entities:
        type_, start, end = entity.span
        if end > length:
            raise LabelError(
                f"expected an entity within the {length} words of the post, got {type_} from {start} to {end}; "
                "start counts from 0 and end is one past the last word"
            )
        if any(tag != OUTSIDE for tag in tags[start:end]):
            raise LabelError(
                f"{type_} from {start} to {end} overlaps another entity; "
                f"{scheme} allows at most one entity per word, so keep one of the two"
            )
        tags[start:end] = [f"B-{type_}", *[f"I-{type_}"] * (end - start - 1)]
        if scheme == "BIOES":
            tags[end - 1] = f"S-{type_}" if end - start == 1 else f"E-{type_}"
    return tags


def repair(tags: Sequence[str], scheme: Scheme | None = None) -> list[str]:
    """Make a sequence well-formed with the fewest changes: ``strict`` then has the entities of ``conlleval``.

    Args:
        tags: One tag per word.
        scheme: The scheme of the tags; by default that of :func:`scheme_of`.

    Raises:
        LabelError: If a tag is of no scheme that mner reads, or of BIOES where ``scheme`` is ``BIO``.

    Example:
        >>> repair(["O", "I-PER", "I-PER", "I-LOC"])
        ['O', 'B-PER', 'I-PER', 'B-LOC']
    """
    return tags_of(spans(tags), len(tags), _agreed_scheme(tags, scheme))


def to_bioes(tags: Sequence[str]) -> list[str]:
    """Rewrite tags of either scheme in BIOES, keeping the entities of ``conlleval``.

    Example:
        >>> to_bioes(["B-PER", "I-PER", "B-LOC"])
        ['B-PER', 'E-PER', 'S-LOC']
    """
    return tags_of(spans(tags), len(tags), "BIOES")


def to_bio(tags: Sequence[str]) -> list[str]:
    """Rewrite tags of either scheme in BIO, keeping the entities of ``conlleval``.

    Example:
        >>> to_bio(["B-PER", "E-PER", "S-LOC"])
        ['B-PER', 'I-PER', 'B-LOC']
    """
    return tags_of(spans(tags), len(tags), "BIO")


def check_tags(tags: Iterable[str], labels: Collection[str]) -> None:
    """Reject tags outside a label set.

    Raises:
        LabelError: Names the first such tag, and the labels that resemble it.
    """
    known = frozenset(labels)
    for tag in tags:
        if tag not in known:
            close = difflib.get_close_matches(tag, labels, n=3) or list(labels)
            raise LabelError(
                f"expected one of the {len(known)} labels, got {tag!r} (close: {', '.join(close)}); "
                "correct the tag, or train with a label set that has its type"
            )


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Reject an option that is not among its choices.

    Raises:
        ConfigurationError: Names the option, its choices and the value.
    """
    if value not in choices:
        raise ConfigurationError(f"expected {name} to be one of {', '.join(choices)}, got {value!r}")


def _agreed_scheme(tags: Sequence[str], scheme: Scheme | None) -> Scheme:
    """The scheme of a sequence, whose own tags may be BIO while those of its data set are BIOES."""
    found = scheme_of(tags)
    if scheme is None:
        return found
    check_choice("scheme", scheme, get_args(Scheme))
    if found == "BIOES" and scheme == "BIO":
        raise LabelError("expected BIO tags, got E- or S-; convert them with mner.labels.to_bio, or give scheme BIOES")
    return scheme

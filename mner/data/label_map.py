"""Annotation in the terms of a model: gold types are renamed to the model's, and schemes converted, before scoring."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

from mner.data.large_sets import changed, facts_of
from mner.errors import ConfigurationError, LabelError
from mner.labels import OUTSIDE, Scheme, continues, scheme_of, split_tag, tags_of, types_of
from mner.labels import spans as entities_of
from mner.posts import Post

LabelMap = Mapping[str, str | None]
"""The model's type for each type of a data set; ``None`` drops the entities of a type.

It is applied once: ``{"PER": "LOC", "LOC": "PER"}`` swaps two types.
"""


def in_terms_of(
    posts: Sequence[Post], split: str, own: Sequence[str], labels: Sequence[str], label_map: LabelMap
) -> Sequence[Post]:
    """Rewrite the annotation of posts with the types and the scheme of a model's labels.

    Args:
        posts: The posts; those without tags are unchanged.
        split: Name of the split, for messages.
        own: Labels of the data set.
        labels: Labels of the model.
        label_map: The model's type for types of the data set; a type that is not named keeps its name.

    Returns:
        As many posts, in their order. Adjacent entities stay separate where their types become the same.

    Raises:
        LabelError: If the posts have a type that the model does not have after renaming, or the map has a type that is
            unknown to the data set or to the model; lists the types and explains how to rename them.

    Example:
        >>> posts = [Post("1", ("the", "iPhone"), ("O", "B-OTHER"))]
        >>> own, labels = ["O", "B-OTHER", "I-OTHER"], ["O", "B-MISC", "I-MISC"]
        >>> in_terms_of(posts, "test", own, labels, {"OTHER": "MISC"})[0].tags
        ('O', 'B-MISC')
    """
    tags = facts_of(posts).tags
    found, known = types_of(tags), types_of(labels)
    _check_map(label_map, list(dict.fromkeys([*types_of(own), *found])), known)
    unknown = [type_ for type_ in found if label_map.get(type_, type_) not in {None, *known}]
    if unknown:
        example = {type_: _similar(type_, known) for type_ in unknown}
        raise LabelError(
            f"the {split} posts have entities of type {', '.join(unknown)}, which the model does not predict (its "
            f"types: {', '.join(known)}); rename them, for example --label_map "
            f"{shlex.quote(json.dumps(example, ensure_ascii=False))}, where null drops a type; in Python, "
            f"data.label_map = {example}"
        )
    scheme = None if not found or scheme_of(tags) == scheme_of(labels) else scheme_of(labels)
    if scheme is None and label_map.keys().isdisjoint(found):
        return posts
    return changed(posts, partial(_rewritten, label_map=dict(label_map), scheme=scheme))


def check_label_map(label_map: LabelMap) -> None:
    """Check that a label map is one.

    Raises:
        ConfigurationError: If it is not a mapping of types to types or ``None``.
    """
    if not isinstance(label_map, Mapping) or not all(
        isinstance(source, str) and isinstance(target, str | None) for source, target in label_map.items()
    ):
        raise ConfigurationError(
            f"expected a label map of types to types or null, such as {{'OTHER': 'MISC'}}, got {label_map!r:.80}"
        )


def _check_map(label_map: LabelMap, own: Sequence[str], known: Sequence[str]) -> None:
    for source, target in label_map.items():
        if source not in own:
            raise LabelError(
                f"the label map renames {source!r}, which is not a type of the data set ({', '.join(own)}); "
                f"{_correction(source, own) or 'leave it out, or correct it'}"
            )
        if target is not None and target not in known:
            raise LabelError(
                f"the label map renames {source!r} to {target!r}, which is not a type of the model "
                f"({', '.join(known)}); {_correction(target, known) or 'choose one of those, or null to drop the type'}"
            )


def _correction(name: str, types: Sequence[str]) -> str:
    """Name the type that differs only in case or in the prefix of a tag, if there is one."""
    written = (name.casefold(), name.partition("-")[2].casefold())
    meant = next((type_ for type_ in types if type_.casefold() in written), None)
    return "" if meant is None else f"the type is written {meant}"


def _similar(name: str, types: Sequence[str]) -> str | None:
    """Choose the type whose name begins like a given one, such as PER and person, else the last: often the rest."""
    name = name.casefold()
    folded = [(type_.casefold(), type_) for type_ in types]
    alike = [type_ for each, type_ in folded if each.startswith(name) or name.startswith(each)]
    return next(iter([*alike, *reversed(types)]), None)


def _rewritten(post: Post, label_map: LabelMap, scheme: Scheme | None) -> Post:
    if post.tags is None:
        return post
    tags = renamed_tags(post.tags, label_map)
    if scheme is not None:
        tags = tags_of(entities_of(tags), len(tags), scheme)
    spans = post.spans
    if spans is not None:
        kept = ((start, end, label_map.get(type_, type_)) for start, end, type_ in spans)
        spans = tuple((start, end, type_) for start, end, type_ in kept if type_ is not None)
    boxes = post.boxes
    if boxes is not None:  # those of dropped entities are dropped, too
        units = spans if spans is not None else [(each.start, each.end) for each in entities_of(tags)]
        bounds = {(start, end) for start, end, *_ in units}
        boxes = {place: several for place, several in boxes.items() if place in bounds}
    return replace(post, tags=tuple(tags), spans=spans, boxes=boxes)


def renamed_tags(tags: Sequence[str], label_map: LabelMap) -> list[str]:
    """Rename the types of a tag sequence; entities that were separate stay so.

    Example:
        >>> renamed_tags(["I-OTHER", "I-MISC", "B-PER"], {"OTHER": "MISC", "PER": None})
        ['I-MISC', 'B-MISC', 'O']
    """
    new = []
    for tag in tags:
        prefix, type_ = split_tag(tag)
        target = label_map.get(type_, type_)
        new.append(OUTSIDE if tag == OUTSIDE or target is None else f"{prefix}-{target}")
    for place, ((left, right), previous) in enumerate(zip(pairwise(tags), list(new), strict=False), start=1):
        if new[place] != OUTSIDE and continues(previous, new[place]) and not continues(left, right):
            prefix, type_ = split_tag(new[place])
            new[place] = f"{'S' if prefix == 'E' else 'B'}-{type_}"
    return new

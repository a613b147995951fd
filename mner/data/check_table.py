"""The report of a data set as a table of text, with remarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from mner.data.image_names import with_near
from mner.labels import Convention
from mner.terminal import printable

if TYPE_CHECKING:
    from mner.data.check import DataReport

_SHOWN = 10  # names listed on the screen; all of them are in to_dict()


def render(report: DataReport) -> str:
    """Render one row per count and one column per split, then the remarks that apply."""
    splits = report.splits.values()
    rows: list[tuple[str, list[Any]]] = [
        ("", list(report.splits)),
        ("posts", [split.posts for split in splits]),
        ("words", [split.words for split in splits]),
        ("longest post, in words", [split.longest for split in splits]),
        ("posts without annotation", [split.not_annotated for split in splits]),
        ("posts without entity", [split.without_entity for split in splits]),
    ]
    for convention in get_args(Convention):
        found = [split.entities[convention] for split in splits]
        rows.append((f"entities, {convention}", [sum(each.values()) for each in found]))
        rows += [(f"  {kind}", [each.get(kind, 0) for each in found]) for kind in sorted(set().union(*found))]
    rows += [
        ("orphan tags (I- after O)", [split.orphan_tags for split in splits]),
        ("mismatched tags (I- after another type)", [split.mismatched_tags for split in splits]),
        ("tags outside the label set", [sum(split.unknown_tags.values()) for split in splits]),
        ("invisible words", [split.invisible_words for split in splits]),
        ("entities widened to word borders", [len(split.widened_entities) for split in splits]),
        ("entities lost: they share a word with another", [len(split.lost_entities) for split in splits]),
        ("texts more than once in the split", [len(split.duplicates.groups) for split in splits]),
        ("  of these, with different tags", [split.duplicates.differing for split in splits]),
    ]
    for kind in dict.fromkeys(kind for split in splits for kind in split.missing_contexts):
        rows.append((f"posts without {kind}", [split.missing_contexts.get(kind, "-") for split in splits]))
    images = [split.images for split in splits]
    if any(images):
        rows.append(("posts with an image name", [each.named if each else "-" for each in images]))
        for fault in ("missing", "unreadable", "small"):
            rows.append((f"  {fault} images", [len(getattr(each, fault)) if each else "-" for each in images]))
        rows.append(("  the same image as another's", [each.repeated if each else "-" for each in images]))
    boxes = [split.boxes for split in splits]
    if any(boxes):
        rows.append(("posts with gold boxes", [each.posts if each else "-" for each in boxes]))
        for what in ("shown", "not_shown"):
            name = f"  entities {what.replace('_', ' ')}"
            rows.append((name, [getattr(each, what) if each else "-" for each in boxes]))
        rows.append(("  boxes", [each.boxes if each else "-" for each in boxes]))
        rows.append(("  of images of another shape", [len(each.other_shape) if each else "-" for each in boxes]))
    return "\n".join(map(printable, [*_align(rows), "", *_remarks(report)]))


def _align(rows: Sequence[tuple[str, Sequence[Any]]]) -> list[str]:
    first = max(len(name) for name, _ in rows)
    widths = [max(len(f"{cell}") for cell in column) for column in zip(*(cells for _, cells in rows), strict=True)]
    return [
        "  ".join([name.ljust(first), *(f"{cell}".rjust(width) for cell, width in zip(cells, widths, strict=True))])
        for name, cells in rows
    ]


def _remarks(report: DataReport) -> list[str]:
    across = report.across
    remarks = []
    if len(report.splits) > 1:
        differing = f"{across.differing} of them with different tags"
        remarks.append(f"texts in more than one split: {len(across.groups)}, {differing}")
    remarks += [f"  {', '.join(group)}" for group in across.groups[:_SHOWN]]
    for name, split in report.splits.items():
        if split.version is not None:
            remarks.append(f"version of {name}: {split.version}")
        if split.unknown_tags:
            remarks.append(f"tags of {name} outside the label set: {split.unknown_tags}")
        for what, entities in (("widened", split.widened_entities), ("lost", split.lost_entities)):
            rest = f", and {len(entities) - _SHOWN} more" if len(entities) > _SHOWN else ""
            remarks += [f"entities of {name} {what}: {', '.join(entities[:_SHOWN])}{rest}"] if entities else []
        if split.boxes is not None:
            remarks += [f"  {shape}" for shape in split.boxes.other_shape[:_SHOWN]]
        if split.images is None:
            remarks.append(f"images of {name}: not checked, no image folder")
        else:
            near = split.images.near_misses
            faulty = [with_near(name, near.get(name, [])) for name in split.images.missing[:_SHOWN]]
            faulty += split.images.small
            remarks += [f"  faulty in {split.images.folder}: {', '.join(faulty[:_SHOWN])}"] if faulty else []
            remarks += [f"  {reason}" for reason in list(split.images.unreadable.values())[:_SHOWN]]
    if any(split.orphan_tags or split.mismatched_tags for split in report.splits.values()):
        remarks.append("the conventions disagree on such tags: published scores count conlleval, seqeval's default")
    return remarks

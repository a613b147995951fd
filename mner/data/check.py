"""Statistics and sanity checks of a data set before training."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from mner.data.box_report import BoxReport, check_boxes
from mner.data.check_table import render
from mner.data.image_report import ImageReport, check_images
from mner.data.versions import identify
from mner.labels import OUTSIDE, Convention, Scheme, continues, opens, scheme_of, spans, split_tag
from mner.paths import is_file
from mner.posts import CharacterSpan, Post
from mner.remote_images import RemoteImages
from mner.span_alignment import align_spans
from mner.word_tokenizers.characters import is_invisible

UNKNOWN = "unknown, so do not compare its scores with published ones"


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Posts of the same words.

    Args:
        groups: For each text that occurs more than once, its posts as ``split:id``.
        differing: Number of these groups with inconsistent tags.
    """

    groups: list[list[str]]
    differing: int


@dataclass(frozen=True, slots=True)
class SplitReport:
    """The counts of one split.

    Args:
        file: The file that it was read from, or ``None``.
        version: Description of the published version of that file, or ``None`` where there is no file.
        posts: Number of posts.
        words: Number of words.
        longest: Number of words of the longest post.
        not_annotated: Number of posts without tags; the entity statistics cover all others.
        without_entity: Number of posts whose words are all tagged ``O``.
        entities: Number of entities by convention and type.
        orphan_tags: Number of ``I-`` (or ``E-``) tags that continue no entity: after ``O``, or first in their post.
        mismatched_tags: Number of ``I-`` (or ``E-``) tags after a word of another type.
        unknown_tags: Tags outside the label set, with their number.
        invisible_words: Number of words of invisible characters only, which vanish in a tokenizer.
        widened_entities: Character spans that are not at word borders; each is widened to whole words.
        lost_entities: Character spans that share a word with another one, which is kept.
        duplicates: Posts of the same words within the split.
        missing_contexts: Number of posts with no or an empty context, by kind.
        images: The images, or ``None`` where no folder was given.
        boxes: The gold boxes, or ``None`` where they are not annotated.
    """

    file: str | None
    version: str | None
    posts: int
    words: int
    longest: int
    not_annotated: int
    without_entity: int
    entities: dict[str, dict[str, int]]
    orphan_tags: int
    mismatched_tags: int
    unknown_tags: dict[str, int]
    invisible_words: int
    widened_entities: list[str]
    lost_entities: list[str]
    duplicates: Duplicates
    missing_contexts: dict[str, int]
    images: ImageReport | None
    boxes: BoxReport | None


@dataclass(frozen=True, slots=True)
class DataReport:
    """The report of ``mner check-data``; ``str()`` renders it as a table.

    Args:
        splits: The counts of each split.
        across: Posts of the same words in more than one split.
    """

    splits: dict[str, SplitReport]
    across: Duplicates

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return render(self)


def check_posts(
    splits: Mapping[str, Sequence[Post]],
    *,
    files: Mapping[str, Path] | None = None,
    labels: Sequence[str] | None = None,
    contexts: Sequence[str] = (),
    image_folders: Mapping[str, Path | None] | None = None,
    remote: RemoteImages | None = None,
) -> DataReport:
    """Compute statistics and sanity checks of a data set.

    Args:
        splits: The posts of each split.
        files: The file of each split, to identify its version.
        labels: The label set; by default every tag is considered known.
        contexts: Kinds of context that the posts should have.
        image_folders: The image folder of each split. Without it a split's images are not checked; with it, the
            paths in the posts are opened, as set by :func:`mner.data.read_posts`.
        remote: What images at an address may be fetched into the image folder, and then are all fetched.

    Example:
        >>> report = check_posts({"train": [Post("1", ("St", ".", "Louis"), ("O", "O", "I-LOC"))]})
        >>> report.splits["train"].orphan_tags, report.splits["train"].entities
        (1, {'conlleval': {'LOC': 1}, 'strict': {}})
    """
    files, image_folders = files or {}, image_folders or {}
    scheme = scheme_of({tag for posts in splits.values() for post in posts for tag in post.tags or ()})
    return DataReport(
        {
            name: _check_split(name, posts, scheme, files.get(name), labels, contexts, image_folders.get(name), remote)
            for name, posts in splits.items()
        },
        _duplicates(((name, post) for name, posts in splits.items() for post in posts), across=True),
    )


def _check_split(
    name: str,
    posts: Sequence[Post],
    scheme: Scheme,
    file: Path | None,
    labels: Sequence[str] | None,
    contexts: Sequence[str],
    image_folder: Path | None,
    remote: RemoteImages | None,
) -> SplitReport:
    tagged = [post.tags for post in posts if post.tags is not None]
    counts = Counter(tag for tags in tagged for tag in tags)
    strays = [stray for tags in tagged for stray in _strays(tags)]
    alignments = [(post, align_spans(post.text or "", post.offsets or (), post.spans or ())) for post in posts]
    return SplitReport(
        file=None if file is None else str(file),
        version=None if file is None or not is_file(file) else str(identify(file) or UNKNOWN),
        posts=len(posts),
        words=sum(len(post.words) for post in posts),
        longest=max((len(post.words) for post in posts), default=0),
        not_annotated=len(posts) - len(tagged),
        without_entity=sum(all(tag == OUTSIDE for tag in tags) for tags in tagged),
        entities={convention: _entities(tagged, convention, scheme) for convention in get_args(Convention)},
        orphan_tags=strays.count("orphan"),
        mismatched_tags=strays.count("mismatched"),
        unknown_tags={} if labels is None else {tag: n for tag, n in sorted(counts.items()) if tag not in labels},
        invisible_words=sum(is_invisible(word) for post in posts for word in post.words),
        widened_entities=[
            f"{_shown(post, span)} -> {_covering_words(post, span)!r}"
            for post, aligned in alignments
            for span in aligned.widened
        ],
        lost_entities=[_shown(post, span) for post, aligned in alignments for span in aligned.lost],
        duplicates=_duplicates(((name, post) for post in posts), across=False),
        missing_contexts={kind: sum(kind not in post.contexts for post in posts) for kind in contexts},
        images=None
        if image_folder is None
        else check_images([image for post in posts for image in post.images], image_folder, remote),
        boxes=check_boxes(posts),
    )


def _shown(post: Post, span: CharacterSpan) -> str:
    start, end, kind = span
    return f"{post.id}: {(post.text or '')[start:end]!r} ({kind})"


def _covering_words(post: Post, span: CharacterSpan) -> str:
    start, end, _ = span
    inside = [offsets for offsets in post.offsets or () if offsets[0] < end and offsets[1] > start]
    return (post.text or "")[inside[0][0] : inside[-1][1]]


def _entities(tagged: Iterable[Sequence[str]], convention: Convention, scheme: Scheme) -> dict[str, int]:
    counts = Counter(entity.type for tags in tagged for entity in spans(tags, convention, scheme))
    return dict(sorted(counts.items()))


def _strays(tags: Sequence[str]) -> Iterable[str]:
    """Classify each tag that should continue an entity but does not as orphan or mismatched."""
    for previous, tag in zip((OUTSIDE, *tags), tags, strict=False):
        if not opens(tag) and not continues(previous, tag):
            other = previous != OUTSIDE and split_tag(previous)[1] != split_tag(tag)[1]
            yield "mismatched" if other else "orphan"


def _duplicates(posts: Iterable[tuple[str, Post]], *, across: bool) -> Duplicates:
    texts: dict[tuple[str, ...], list[tuple[str, Post]]] = defaultdict(list)
    for split, post in posts:
        texts[post.words].append((split, post))
    groups = [group for group in texts.values() if (len({split for split, _ in group}) if across else len(group)) > 1]
    return Duplicates(
        [[f"{split}:{post.id}" for split, post in group] for group in groups],
        sum(len({post.tags for _, post in group}) > 1 for group in groups),
    )

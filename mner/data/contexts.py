"""Attaching texts about images to posts; texts that are missing, or that no model reads, are reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from itertools import islice
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_warn

from mner.argument_types import check_type
from mner.data.context_files import Contexts, check_unambiguous, read_contexts
from mner.data.image_matcher import ImageMatcher
from mner.data.large_sets import facts_of
from mner.data.splits import Split
from mner.errors import ConfigurationError, DataError
from mner.paths import is_file
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.terminal import printable

MAY_BE_EMPTY = ("objects", "ocr")
"""Kinds of which an image may have nothing: no object that is known, no letters."""
_SHOWN = 3
_COUNTED = 10_000  # posts whose contexts are measured


def attach_contexts(
    posts: Sequence[Post], kind: str, contexts: Contexts, images: Path | None = None
) -> tuple[list[Post], int]:
    """Give each post the text about its image, or none; never the text about another post's.

    Args:
        posts: The posts.
        kind: What the text is, for example ``"caption"``.
        contexts: The texts.
        images: The image folder, to which the names in the texts are relative.

    Returns:
        The posts, in order, and how many of them have no such text because the texts say nothing about them. A post
        whose text is empty stays as it is and is not counted: an image may have no letters for OCR to read.

    Raises:
        ConfigurationError: If an argument has another type, such as an iterator of posts, which would be used up,
            or the kind is empty.
    """
    if not isinstance(posts, Sequence) or not all(isinstance(post, Post) for post in posts[:1]):
        raise ConfigurationError(f"expected a list of posts, got a {type(posts).__name__}; read them with read_posts")
    check_type("kind", kind, str)
    if not kind.strip():
        raise ConfigurationError(f"expected the kind of the texts, such as caption, got {kind!r}")
    if not isinstance(contexts, Contexts):
        raise ConfigurationError(f"expected texts as read_contexts returns them, got a {type(contexts).__name__}")
    matcher = ImageMatcher(contexts.names, posts, images)
    attached: list[Post] = []
    missing = 0
    for post in posts:
        text = contexts.find(post, matcher)
        attached.append(replace(post, contexts={**post.contexts, kind: text}) if text else post)
        missing += text is None and kind not in post.contexts
    return attached, missing


def folders_that_share(
    split: Split, files: Mapping[Split, Mapping[str, Path]], images: Mapping[Split, Path | None]
) -> dict[str, list[Path]]:
    """Find the image folders of other splits whose texts are in the same file.

    Args:
        split: A split.
        files: The file of each kind, by split.
        images: The image folder of each split.

    Returns:
        The folders by kind, for :func:`with_contexts`.
    """
    shared: dict[str, list[Path]] = {}
    for kind, path in files[split].items():
        folders = {images[other] for other in files if files[other].get(kind) == path} - {images[split]}
        shared[kind] = sorted(folder for folder in folders if folder is not None)
    return shared


def with_contexts(
    posts: Sequence[Post],
    kinds: Sequence[str],
    files: Mapping[str, Path],
    split: str,
    images: Path | None = None,
    shared: Mapping[str, Sequence[Path]] | None = None,
) -> Sequence[Post]:
    """Attach contexts from their files; missing ones are counted and reported once.

    Args:
        posts: The posts.
        kinds: The kinds of context to attach. A kind that every post already has needs no file.
        files: File of each kind.
        split: Name of the split, for the message.
        images: The image folder, to which the names in the files are relative.
        shared: Image folders of other splits that share the file of a kind.

    Raises:
        DataError: If a kind has no file and is not in the posts, or if its file is missing, is of other posts, or names
            an image without its folder that several splits have.
    """
    for kind in kinds:
        hint = ""
        if kind in files:
            if not is_file(files[kind]):
                raise DataError(f"no file {files[kind]} with a {kind} for the {split} posts; correct context_files")
            contexts = read_contexts(files[kind], kind=kind)
            check_unambiguous(contexts, files[kind], images, (shared or {}).get(kind, ()))
            attached, missing = attach_contexts(posts, kind, contexts, images)
            near = _lookalikes(posts, contexts, images) if missing else ()
            hint = f" ({files[kind].name} has {'; '.join(near)})" if near else ""
            if missing == len(posts):
                raise DataError(
                    f"{files[kind]} has no {kind} of the {len(posts)} {split} posts{hint}; correct context_files"
                )
            posts = attached
            if kind not in MAY_BE_EMPTY:
                missing = len(posts) - facts_of(posts).contexts.get(kind, 0)
        elif facts_of(posts).contexts.get(kind):
            missing = len(posts) - facts_of(posts).contexts[kind]
        else:
            raise DataError(
                f"no {kind} for the {split} posts: they have none, and there is no file; "
                "name it with context_files, or make it with mner caption"
            )
        if missing:
            rank_zero_warn(
                f"{missing} of {len(posts)} {split} posts have no {kind}: the model reads them without it{hint}"
            )
    return posts


def warn_of_surplus(posts: Sequence[Post], kinds: Sequence[str], known: Set[str], split: str) -> set[str]:
    """Warn of contexts that the model does not read, once per kind.

    Args:
        posts: The posts of a split.
        kinds: The kinds that the model reads.
        known: Kinds that were reported before.
        split: Name of the split, for the message.

    Returns:
        The kinds that were reported now.
    """
    counts = facts_of(posts).contexts
    surplus = counts.keys() - {*kinds, *known}
    for kind in sorted(surplus):
        rank_zero_warn(
            printable(
                f"{counts[kind]} of {len(posts)} {split} posts have the context {kind!r}, which the model does not "
                f"read ({', '.join(kinds) or 'none'}); contexts names those that it is trained with"
            )
        )
    return surplus


def warn_of_truncation(posts: Sequence[Post], preprocessor: Preprocessor, split: str) -> None:
    """Warn if contexts do not fit into the rows that the text encoder reads; only the first posts are looked at.

    Args:
        posts: The posts of a split.
        preprocessor: The model's preprocessor.
        split: Name of the split, for the message.
    """
    if facts_of(posts).contexts.keys().isdisjoint(preprocessor.contexts):
        return
    first = list(map(preprocessor.using(quiet=True).prepare, islice(posts, _COUNTED)))
    tokenizer = preprocessor.subword_tokenizer
    if truncated := tokenizer.num_truncated(first):
        counted = f"{len(first)}" if len(first) == len(posts) else f"the first {len(first)}"
        rank_zero_warn(
            f"{truncated} of {counted} {split} posts have contexts ({', '.join(preprocessor.contexts)}) of which the "
            f"end is not read, as a row has at most {tokenizer.options.max_length} subwords; raise max_length if the "
            "text encoder allows it, or leave a context out"
        )


def _lookalikes(posts: Sequence[Post], contexts: Contexts, images: Path | None) -> list[str]:
    """For a few posts of which the texts say nothing: names in the texts that look like their image but are another's.

    For example ``["33.png for 33.jpg"]``, for a message.
    """
    matcher = ImageMatcher(contexts.names, posts, images)
    found = (
        f"{' and '.join(names[:3])} for {post.image.name}"
        for post in posts
        if post.image is not None and contexts.find(post, matcher) is None and (names := matcher.near(post))
    )
    return list(islice(found, _SHOWN))

"""Generates the demo posts of all splits from a seed."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from mner.demo.files import write_folder
from mner.demo.grounded_writing import GroundedWriter
from mner.demo.scenes import DRAWINGS_VERSION
from mner.demo.writing import SplitWriter
from mner.errors import ConfigurationError
from mner.posts import Post

SMALLEST = 16


def generate_demo_posts(
    size: int = 600,
    seed: int = 0,
    folder: str | Path | None = None,
    pictures: bool = True,
    grounded: bool = False,
) -> dict[str, list[Post]]:
    """Generate short posts with captions and drawn pictures, in which half of the mentions need the picture.

    An *ambiguous* mention ("Jordan") occurs in a neutral sentence, and the same words are posted once for each type
    that the name may have, each time with a related picture of that type; so no function of the words does better on
    them than :func:`~mner.demo.text_only_ceiling`. A *plain* mention occurs in a sentence that determines its type;
    its post's picture is related, unrelated (it shows a type that none of the mentions has) or missing. A few posts
    have no mention. With ``grounded``, pictures are collages that show up to two mentions among distractors, and the
    gold boxes are known. A third of the names, sentences and drawing styles occur in the test split only.

    Words, tags, captions and scenes depend only on ``size`` and ``seed``; pixels also on the version of Pillow.

    Args:
        size: Number of training posts; a quarter as many are for validation and half as many for the test.
        seed: Seed of the generator.
        folder: Where to draw the pictures (``folder/images``) and write ``train.jsonl``, ``captions.train.jsonl``
            and so on, in the layout of the paper's data. Existing pictures are not drawn again. ``None`` keeps
            everything in memory, without pictures.
        pictures: Whether to draw pictures; otherwise only the text files are written.
        grounded: Whether the pictures are collages; the posts then have ``boxes``.

    Returns:
        Posts of ``train``, ``valid`` and ``test``, tagged in BIO with ``PER``, ``LOC``, ``ORG`` and ``MISC``. ``image``
        is ``None`` where the picture is missing or none are drawn. ``metadata`` contains ``mentions`` (``start``,
        ``end``, ``type``, ``kind``, ``novel_name``, ``novel_sentence``), ``group`` (the posts that share their words),
        ``picture`` (``related``, ``unrelated`` or ``missing``) and its content: ``shown`` (a type), ``noun``,
        ``style`` and ``novel_style``; of grounded posts, ``objects`` with these keys and ``box`` each.

    Raises:
        ConfigurationError: If ``size`` is too small for every split to have ambiguous posts.
        DataError: If ``folder`` contains other data.

    Example:
        >>> posts = generate_demo_posts(size=40)
        >>> {split: len(of_split) for split, of_split in posts.items()}
        {'train': 40, 'valid': 10, 'test': 20}
    """
    if size < SMALLEST:
        raise ConfigurationError(f"expected a size of at least {SMALLEST} training posts, got {size}; raise it")
    sizes = {"train": size, "valid": size // 4, "test": size // 2}
    images = None if folder is None else Path(folder) / "images"
    splits, scenes, written = {}, [], set[tuple[str, ...]]()
    for split, number in sizes.items():
        # A string seed gives the same stream on every version of Python and every platform.
        rng = random.Random(f"{'grounded' if grounded else 'demo'} posts {seed} {split} {number}")
        writer = (GroundedWriter if grounded else SplitWriter)(rng, split == "test", written)
        drafts = writer.write(number)
        splits[split] = [draft.post(split, index, images) for index, draft in enumerate(drafts)]
        scenes += [draft.scene for draft in drafts if draft.scene is not None]
    if folder is not None:
        parameters = {"size": size, "seed": seed, "drawings": DRAWINGS_VERSION} | (
            {"grounded": True} if grounded else {}
        )
        write_folder(Path(folder), splits, scenes if pictures else [], parameters)
    if not pictures:
        return {split: [replace(post, image=None) for post in posts] for split, posts in splits.items()}
    return splits

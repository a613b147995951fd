"""The paper's private Snapchat set: 2,636 / 753 / 376 snaps, in the JSON-lines layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mner.data.folder import FolderDataModule


class Snapchat(FolderDataModule):
    """Captions of public snaps, typed PER, LOC, ORG, MISC (paper, section 4.1); for those who have the data.

    Args:
        root: The folder.
        contexts: Kinds of context that the model reads, for example ``["caption"]``.
        context_files: Context file per kind, relative to ``root``, with ``{split}`` for the split.
        image_folder: Folder of the images, relative to ``root``.
        batch_size: Maximum number of posts per batch.
        max_tokens: Maximum number of subwords per batch, padding included.
        train_fraction: Fraction of the training posts to use; smaller fractions are subsets of larger ones.
        seed: Seed of the batch order and of the fraction; by default that of ``seed_everything``.
        num_workers: Number of processes that make batches.
        max_missing_images: Maximum fraction of the images that may be missing where a model uses images.
    """

    name = "snapchat"
    types = ("PER", "LOC", "ORG", "MISC")

    def __init__(
        self,
        root: str | Path = "data/snapchat",
        contexts: Sequence[str] = (),
        context_files: Mapping[str, str] | None = None,
        image_folder: str | Path | None = None,
        batch_size: int = 32,
        max_tokens: int | None = None,
        train_fraction: float = 1.0,
        seed: int | None = None,
        num_workers: int = 0,
        max_missing_images: float = 0.5,
    ) -> None:
        super().__init__(
            root,
            contexts,
            context_files,
            image_folder,
            batch_size,
            max_tokens,
            train_fraction,
            seed,
            num_workers,
            max_missing_images,
        )

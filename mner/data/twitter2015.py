"""Twitter-2015 (Zhang et al. 2018): 4,000 / 1,000 / 3,257 tweets with images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mner.data.folder import FolderDataModule
from mner.word_tokenizers import TweetTokenizer


class Twitter2015(FolderDataModule):
    """Tweets of 2014 and 2015 with an image, typed PER, LOC, ORG, OTHER (Zhang et al. 2018; paper, table 1).

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

    name = "twitter2015"
    types = ("PER", "LOC", "ORG", "OTHER")
    word_tokenizer = TweetTokenizer(split_marks=False)

    def __init__(
        self,
        root: str | Path = "data/twitter2015",
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

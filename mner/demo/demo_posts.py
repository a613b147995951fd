"""The demo data set as a data module: generated posts, captions and pictures, without a download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mner.data.contexts import with_contexts
from mner.data.datamodule import PostDataModule
from mner.data.splits import Split
from mner.demo.generate import generate_demo_posts
from mner.labels import labels_for
from mner.posts import Post


class DemoPosts(PostDataModule):
    """Short posts, typed PER, LOC, ORG, MISC, in which only the picture disambiguates half of the mentions.

    The arguments that are not listed here are those of :class:`~mner.data.PostDataModule`.

    Args:
        size: Number of training posts; a quarter as many are for validation, half as many for testing.
        root: Folder for the pictures and text files, created at first use; without one there are no pictures.
        generator_seed: Seed of the posts and pictures.
        contexts: Kinds of context that the model reads; there is a ``caption`` for every picture.
        grounded: Whether the pictures are collages of several objects, with the gold box of each mention they show.
    """

    def __init__(
        self,
        size: int = 600,
        root: str | Path | None = None,
        generator_seed: int = 0,
        contexts: Sequence[str] = (),
        batch_size: int = 32,
        max_tokens: int | None = None,
        train_fraction: float = 1.0,
        seed: int | None = None,
        num_workers: int = 0,
        max_missing_images: float = 0.5,
        grounded: bool = False,
    ) -> None:
        super().__init__(batch_size, max_tokens, contexts, train_fraction, seed, num_workers, max_missing_images)
        self.size = size
        self.root = None if root is None else Path(root).absolute()
        self.generator_seed = generator_seed
        self.grounded = grounded
        self.labels = labels_for(["PER", "LOC", "ORG", "MISC"])
        self._generated: dict[str, list[Post]] = {}

    def prepare_data(self) -> None:
        """Draw the pictures, in one process per machine."""
        self._generate()

    def read(self, split: Split) -> list[Post]:
        """Return the generated posts of a split, with the contexts that the model reads."""
        posts = with_contexts(self._generate()[split], self.context_kinds, {}, split)
        kinds = self.context_kinds
        return [replace(post, contexts={k: text for k, text in post.contexts.items() if k in kinds}) for post in posts]

    def split_images(self, split: Split) -> Path | None:
        """Return the folder of the pictures, the same for every split."""
        return None if self.root is None else self.root / "images"

    def _generate(self) -> dict[str, list[Post]]:
        if not self._generated:
            self._generated = generate_demo_posts(
                self.size, self.generator_seed, self.root, pictures=self.root is not None, grounded=self.grounded
            )
        return self._generated

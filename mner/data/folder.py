"""Data sets that come as a folder in a known layout: where their files lie, and how they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_info

from mner.data.contexts import folders_that_share, with_contexts
from mner.data.datamodule import PostDataModule
from mner.data.large_files import open_posts
from mner.data.splits import SPLIT_NAMES, SPLITS, Split, find_split, place_of
from mner.data.versions import identify
from mner.errors import DataError, DatasetNotFoundError
from mner.labels import labels_for
from mner.paths import expanded, is_file, is_folder
from mner.posts import Post
from mner.terminal import printable

POST_FILES = ("{split}.txt", "{split}", "{split}.json*", "texts/{split}/*.json*")
CONTEXT_FILES = (
    "{kind}s.{split}.jsonl",
    "{kind}.{split}.jsonl",
    "{kind}s/{split}/*.json*",
    "{kind}s.jsonl",
    "{kind}.jsonl",
)
IMAGE_FOLDERS = ("images/{split}", "images", "{name}_images", "{name}/images")


class FolderDataModule(PostDataModule, ABC):
    """A data set in a folder, in any of the layouts that circulate.

    Posts are looked for as ``train.txt``, ``train``, ``train.json`` or ``texts/train/*.json`` (likewise ``valid``,
    also called ``dev``, and ``test``); captions as ``captions.train.jsonl`` or ``captions/train/*.json``; images in
    ``images/train`` or ``images``.

    A subclass names the data set and its types. The arguments that are not listed here are those of
    :class:`~mner.data.PostDataModule`.

    Args:
        root: The folder; by default ``data/NAME`` with the name of the data set, as in ``data/twitter2017``.
        context_files: File of a kind, relative to ``root``, with ``{split}`` where the split's name goes; by default
            looked for as above.
        image_folder: Folder of the images, relative to ``root``; by default looked for as above.
    """

    name: str
    """Name of the data set, its folder and, in some layouts, its image folder."""

    @property
    @abstractmethod
    def types(self) -> tuple[str, ...]:
        """The entity types."""

    def __init__(
        self,
        root: str | Path | None = None,
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
        super().__init__(batch_size, max_tokens, contexts, train_fraction, seed, num_workers, max_missing_images)
        self.root = expanded(f"data/{self.name}" if root is None else root).absolute()
        self.context_files = dict(context_files or {})
        self.image_folder = image_folder
        self.labels = labels_for(self.types)

    def read(self, split: Split) -> Sequence[Post]:
        """Read a split from its file; reports which known version of the data set the file is."""
        path = self.split_file(split)
        rank_zero_info(printable(f"{path}: {self.version(split)}"))
        images = self.split_images(split)
        posts = self.read_file(path, images)
        files = {each: self._context_paths(each) for each in SPLITS}
        shared = folders_that_share(split, files, {each: self.split_images(each) for each in SPLITS})
        return with_contexts(posts, self.context_kinds, files[split], split, images, shared)

    def read_file(self, path: Path, images: Path | None) -> Sequence[Post]:
        """Read the posts of a file of the data set, without further contexts."""
        return open_posts(path, images=images)

    def split_file(self, split: Split) -> Path:
        """The file of a split, under any of the names in use.

        Raises:
            DatasetNotFoundError: If it is not there; names the places that were searched.
        """
        return find_split(self.root, split, POST_FILES)

    def version(self, split: Split) -> str:
        """Which published version of the data set the file of a split is."""
        return str(identify(self.split_file(split)) or "a version that is not known here; do not compare its numbers")

    def split_images(self, split: Split) -> Path | None:
        """The folder of a split's images, or ``None`` if there is none.

        Raises:
            DataError: If ``image_folder`` was given and is not there.
        """
        if self.image_folder is not None:
            folder = self.root / expanded(self.image_folder)
            if not is_folder(folder):
                raise DataError(f"no image folder {folder}; correct image_folder, or leave it out")
            return folder
        names = SPLIT_NAMES[split]
        wanted = [pattern.format(split=name, name=self.name) for pattern in IMAGE_FOLDERS for name in names]
        return next((self.root / folder for folder in wanted if is_folder(self.root / folder)), None)

    def _context_paths(self, split: Split) -> dict[str, Path]:
        paths = {}
        for kind in self.context_kinds:
            if kind in self.context_files:
                paths[kind] = place_of(self.root / expanded(self.context_files[kind]), split, is_file)
                continue
            patterns = [pattern.replace("{kind}", kind) for pattern in CONTEXT_FILES]
            try:
                paths[kind] = find_split(self.root, split, patterns)
            except DatasetNotFoundError:
                continue  # the posts may contain it; with_contexts raises an error if they do not
        return paths

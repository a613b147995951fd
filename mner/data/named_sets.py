"""Data sets named by a path: a file of posts, or a folder with files of splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mner.data.datamodule import PostDataModule
from mner.data.folder import POST_FILES
from mner.data.overlap import OnOverlap
from mner.data.readers import read_posts
from mner.data.splits import SPLITS, Split, find_split
from mner.errors import DatasetNotFoundError
from mner.paths import is_folder
from mner.posts import Post

_PATTERNS = (*POST_FILES, "txt/{split}.txt")


def read_named_sets(paths: Sequence[str | Path], splits: Sequence[Split] = SPLITS) -> dict[str, list[Post]]:
    """Read posts of any format.

    Args:
        paths: Files, or folders in one of the layouts of the data modules.
        splits: The splits of folders to read, where they are there.

    Returns:
        The posts by the path of their file.

    Raises:
        DatasetNotFoundError: If there is no such file, or a folder has none of the splits.
        FormatError: If a file is malformed.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        files += _split_files(path, splits) if is_folder(path) else [path]
    return {str(file): read_posts(file) for file in files}


def hold_out(data: PostDataModule, paths: Sequence[str | Path], on_overlap: OnOverlap = "error") -> None:
    """Hold out the posts of files, and of the validation and test splits of folders, from training.

    Args:
        data: The data module to train on.
        paths: Files or folders, see :func:`read_named_sets`.
        on_overlap: What happens to training posts that are among them, see :meth:`PostDataModule.hold_out`.
    """
    sets = read_named_sets(paths, ("valid", "test")) if paths else {}
    data.hold_out([post for posts in sets.values() for post in posts], on_overlap)


def _split_files(folder: Path, splits: Sequence[Split]) -> list[Path]:
    found = []
    for split in splits:
        try:
            found.append(find_split(folder, split, _PATTERNS))
        except DatasetNotFoundError:  # noqa: PERF203 - few splits
            continue
    if not found:
        raise DatasetNotFoundError(
            f"{folder} has none of the splits {', '.join(splits)} in a known layout; name the file of the posts"
        )
    return found

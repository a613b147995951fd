"""The splits of a data set, and the files that they are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from mner.errors import DataError, DatasetNotFoundError
from mner.paths import is_file, is_folder

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
SPLIT_NAMES: dict[Split, tuple[str, ...]] = {"train": ("train",), "valid": ("valid", "dev", "val"), "test": ("test",)}


def place_of(pattern: str | Path, split: Split, is_there: Callable[[Path], bool]) -> Path:
    """Replace ``{split}`` in a path by the name of a split under which there is something, or else by ``split``.

    Args:
        pattern: The path, with or without ``{split}``.
        split: The split; ``valid`` may also be called ``dev`` or ``val``.
        is_there: Whether a path is what is looked for, such as :func:`mner.paths.is_file`.
    """
    places = [Path(str(pattern).replace("{split}", name)) for name in SPLIT_NAMES[split]]
    return next(filter(is_there, places), places[0])


def find_split(root: Path, split: Split, patterns: Sequence[str]) -> Path:
    """Find the file of a split, under any of the common names.

    Args:
        root: The data set's folder.
        split: ``train``, ``valid`` or ``test``; ``valid`` is also looked for as ``dev``.
        patterns: File names under ``root`` with ``{split}`` in them, the preferred first; may contain ``*``.

    Raises:
        DatasetNotFoundError: If the folder or the file is not there; names what was searched for.
        DataError: If a pattern fits several files, of which one would have to be left out.
    """
    if not is_folder(root):
        raise DatasetNotFoundError(
            f"no folder {root}; give the data set's folder with --data.init_args.root DIR (root=DIR in Python)"
        )
    wanted = [pattern.replace("{split}", name) for pattern in patterns for name in SPLIT_NAMES[split]]
    for pattern in wanted:
        found = sorted(str(path.relative_to(root)) for path in root.glob(pattern) if is_file(path))
        if len(found) > 1:
            raise DataError(f"{root} has {len(found)} matching files: {', '.join(found)}; keep only one of them")
        if found:
            return root / found[0]
    raise DatasetNotFoundError(
        f"{root} has no {split} split; looked for {', '.join(wanted)}. "
        + (
            "Put its file there, or use an existing split: mner validate for valid"
            if split == "test"
            else "Put its file there"
        )
    )

"""``mner check-data``: what one must know of a data set before training on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mner.data
import mner.demo  # noqa: F401  (their classes are the choices of --data)
from mner.cli.parsing import OptionParser, accept_unused
from mner.data.check import check_posts
from mner.data.datamodule import SPLITS, PostDataModule
from mner.errors import DatasetNotFoundError
from mner.post_json import to_json
from mner.posts import Post


def parser() -> OptionParser:
    """The options of ``mner check-data``."""
    options = OptionParser(
        prog="mner check-data",
        description="Count what is in a data set and what is wrong with it: entities a type under both scoring "
        "conventions, stray tags, invisible words, duplicates, missing images and contexts, the known version.",
    )
    options.add_argument("-c", "--config", action="config", help="a config with a data section")
    options.add_subclass_arguments(PostDataModule, "data", required=True)
    accept_unused(
        options, "seed_everything", "model", "trainer", "checkpoint", "early_stopping", "ablations", "pretraining"
    )
    options.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return options


def run(arguments: Sequence[str]) -> None:
    """Check every split that is there.

    Raises:
        DatasetNotFoundError: If no split is there.
    """
    options = parser()
    config = options.parse_args(list(arguments[1:]))
    data: PostDataModule = options.instantiate_classes(config).data
    posts: dict[str, Sequence[Post]] = {}
    files: dict[str, Path] = {}
    folders: dict[str, Path | None] = {}
    missing: list[DatasetNotFoundError] = []
    for split in SPLITS:
        try:
            posts[split] = data.read(split)
        except DatasetNotFoundError as error:
            missing.append(error)
            continue
        file = data.split_file(split)
        if file is not None:
            files[split] = file
        folders[split] = data.split_images(split)
    if not posts:
        raise missing[0]
    report = check_posts(posts, files=files, labels=data.labels, contexts=data.contexts, image_folders=folders)
    print(to_json(report.to_dict(), indent=2) if config.json else report)

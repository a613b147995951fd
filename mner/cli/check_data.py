"""``mner check-data``: statistics and faults of a data set, before training on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from jsonargparse import Namespace

import mner.demo  # noqa: F401  (its class is a choice of --data)
from mner.cli.parsing import OptionParser, accept_unused
from mner.cli.post_options import add_post_options, remote_images
from mner.data import PostDataModule, PostFiles
from mner.data.check import check_posts
from mner.data.columns import parse_columns
from mner.data.named_sets import read_named_sets
from mner.data.overlap import find_overlap
from mner.data.splits import SPLITS
from mner.errors import DatasetNotFoundError
from mner.post_json import to_json
from mner.posts import Post
from mner.terminal import printable, printable_lines
from mner.word_tokenizers import WordTokenizer
from mner.word_tokenizers.raw_posts import tokenize_post


def parser() -> OptionParser:
    """The options of ``mner check-data``."""
    options = OptionParser(
        prog="mner check-data",
        usage="mner check-data [OPTIONS] [FILE]",
        description="Report statistics and faults of a file of posts or of a data set: entities per type under both "
        "scoring conventions, stray tags, invisible words, duplicates, missing images and contexts, the known version.",
    )
    options.add_argument(
        "file",
        type=Path | None,
        nargs="?",
        default=None,
        help="A file of posts in any format; or give --data or --config.",
    )
    add_post_options(options, "FILE names")
    options.add_argument(
        "--word_tokenizer",
        type=WordTokenizer | None,
        default=None,
        help="Splits raw text into words; by default that of the data set.",
    )
    options.add_argument("-c", "--config", action="config", help="A config with a data section, by path or by name.")
    options.add_subclass_arguments(PostDataModule, "data", required=False)
    accept_unused(
        options, "seed_everything", "model", "trainer", "checkpoint", "early_stopping", "ablations", "pretraining"
    )
    options.add_argument(
        "--against",
        type=list[Path],
        default=[],
        help="Further data sets, files or folders of splits, for example [twitter2015/valid.txt, twitter2017]: reports "
        "the posts that each split has in common with them, by image name and near-identical text.",
    )
    options.add_argument("--json", action="store_true", help="Print JSON instead of a table.")
    return options


def run(arguments: Sequence[str]) -> None:
    """Check every split that exists.

    Raises:
        DatasetNotFoundError: If none does.
    """
    options = parser()
    config = options.parse_args(list(arguments[1:]))
    data = _data(options, config)
    posts: dict[str, Sequence[Post]] = {}
    missing: list[DatasetNotFoundError] = []
    for split in SPLITS:
        try:
            read = data.read(split)
        except DatasetNotFoundError as error:
            missing.append(error)
            continue
        posts[split] = [tokenize_post(post, data.word_tokenizer) for post in read]
    if not posts:
        raise missing[0]
    found = [split for split in SPLITS if split in posts]
    report = check_posts(
        posts,
        files={split: file for split in found if (file := data.split_file(split)) is not None},
        labels=data.labels,
        contexts=data.contexts,
        image_folders={split: data.split_images(split) for split in found},
        remote=data.remote_images,
    )
    overlaps = {
        name: {split: find_overlap(each, others) for split, each in posts.items()}
        for name, others in read_named_sets(config.against).items()
    }
    if config.json:
        plain = {name: {split: asdict(each) for split, each in splits.items()} for name, splits in overlaps.items()}
        print(printable_lines(to_json({**report.to_dict(), "overlap": plain}, indent=2)))
        return
    print(printable_lines(report))
    for name, splits in overlaps.items():
        for ours, overlap in splits.items():
            print(printable(f"{ours} posts that are in {name}: {overlap}"))


def _data(options: OptionParser, config: Namespace) -> PostDataModule:
    """Build the data set that is checked, with the word tokenizer of the options."""
    if (config.file is None) == (config.get("data") is None):
        options.error("give either a FILE of posts, or a data set with --data or --config")
    those = "are those of FILE"
    for name, what in {"images": "is the folder of FILE's images", "remote_images": those, "columns": those}.items():
        if config.file is None and config[name] is not None:
            options.error(f"--{name} {what}; give a data set its own, --data.init_args.{name}")
    built = options.instantiate_classes(config)
    data: PostDataModule = (
        built.data
        if config.file is None
        else PostFiles(
            config.file,
            images=config.images,
            columns=parse_columns(config.columns),
            remote_images=remote_images(config),
        )
    )
    data.word_tokenizer = built.word_tokenizer or data.word_tokenizer
    return data

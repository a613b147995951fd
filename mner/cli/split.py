"""``mner split``: training, validation and test files from a file of posts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mner.cli.parsing import OptionParser
from mner.cli.post_options import add_post_options, given_posts, image_folder
from mner.data.partition import group_posts, split_posts
from mner.data.writers import write_json_lines
from mner.errors import OutputError
from mner.paths import is_there
from mner.terminal import printable_lines

SHARES = (0.8, 0.1, 0.1)


def parser() -> OptionParser:
    """The options of ``mner split``."""
    options = OptionParser(
        prog="mner split",
        description="Split a file of posts at random into train.jsonl, valid.jsonl and test.jsonl. Posts with "
        "near-identical texts or with the same image are in the same split.",
    )
    options.add_argument("file", type=Path, help="A file of posts in any format.")
    options.add_argument("--output", type=Path, required=True, help="Folder of the new files.")
    options.add_argument(
        "--shares",
        type=float,
        nargs="+",
        default=None,
        help="Fractions of the posts for training, validation and test; their sum is 1 (default: 0.8 0.1 0.1).",
    )
    options.add_argument("--seed", type=int, default=0, help="Seed of the random order.")
    add_post_options(options)
    options.add_argument(
        "--annotator", type=str | None, default=None, help="Whose annotation to read where a task has several."
    )
    options.add_argument(
        "--tag_column", type=int | None, default=None, help="The column of the tags in CoNLL (default: the last one)."
    )
    return options


def run(arguments: Sequence[str]) -> None:
    """Split the posts.

    Raises:
        MNERError: If the posts cannot be read or split, or one of the new files is already there.
    """
    options = parser().parse_args(list(arguments[1:]))
    posts = given_posts(options, annotator=options.annotator, tag_column=options.tag_column)
    parts = split_posts(posts, options.shares or SHARES, options.seed)
    files = {split: options.output / f"{split}.jsonl" for split in parts}
    for file in files.values():
        if is_there(file):
            raise OutputError(f"{file} is already there; give another --output, or delete it")
    for split, part in parts.items():
        write_json_lines(part, files[split], images=image_folder(options))
    repeated = len(posts) - len(group_posts(posts))
    lines = [f"{files[split]}: {len(part)} posts" for split, part in parts.items()]
    lines.append(f"{repeated} posts are near-identical to another one, or have its image, and are in the same split")
    print(printable_lines("\n".join(lines)))

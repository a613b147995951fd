"""``mner tag``: the entities of new posts, from a file or from standard input, in constant memory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, get_args

from tqdm import tqdm

from mner.data.detection import Format
from mner.data.readers import iter_posts
from mner.errors import FormatError, MNERError
from mner.files import open_output


def parser() -> argparse.ArgumentParser:
    """The options of ``mner tag``."""
    options = argparse.ArgumentParser(
        prog="mner tag",
        description="Find the entities of new posts: a JSON object a line, a post a line, or CoNLL, recognised by "
        "their content. Writes one JSON object a post, in the order of the input.",
    )
    options.add_argument("file", help="the posts; - reads standard input")
    options.add_argument("--checkpoint", required=True, help="what mner fit left, for example runs/0/best.ckpt")
    options.add_argument("--output", type=Path, help="where to write (default: the screen)")
    options.add_argument("--format", choices=get_args(Format), help="the format, where it should not be recognised")
    options.add_argument("--images", type=Path, help="folder of the images that the posts name")
    options.add_argument("--batch-size", type=int, default=32, help="posts tagged at once (default: %(default)s)")
    options.add_argument("--window", type=int, default=64, help="batches read ahead and sorted (default: %(default)s)")
    options.add_argument("--device", help="cpu, cuda, mps (default: the accelerator, if there is one)")
    return options


def run(arguments: Sequence[str]) -> int:
    """Tag posts.

    Returns:
        0, or 1 if a line could not be read; the others are tagged all the same.

    Raises:
        MNERError: If the checkpoint or the whole file cannot be used.
    """
    options = parser().parse_args(arguments[1:])
    if options.batch_size < 1 or options.window < 1:
        raise MNERError(f"expected --batch-size and --window >= 1, got {options.batch_size} and {options.window}")
    from mner.inference.load import load

    tagger = load(options.checkpoint, options.device or _best_device())
    tagger.preprocessor = tagger.preprocessor.using(image_folders=[options.images])
    bad_lines: list[FormatError] = []

    def report(error: FormatError) -> None:
        bad_lines.append(error)
        tqdm.write(f"mner tag: {error}", file=sys.stderr)

    source = sys.stdin.buffer if options.file == "-" else Path(options.file)
    # Whoever types posts wants each answer at once.
    window, batch_size = (1, 1) if options.file == "-" and sys.stdin.isatty() else (options.window, options.batch_size)
    folder = None if options.images is None else options.images.absolute()
    posts = iter_posts(source, images=folder, format=options.format, on_error=report)
    tagged = 0
    with _output(options.output) as output:
        for prediction in tqdm(tagger.stream(posts, batch_size, window), unit=" posts", disable=None):
            output.write(prediction.to_json() + "\n")
            tagged += 1
            if window == 1:
                output.flush()
        if not tagged and not bad_lines:
            raise FormatError(options.file, None, "there are no posts in it", "Give a file with posts")
    if bad_lines:
        print(f"mner tag: {len(bad_lines)} lines could not be read and are not in the output", file=sys.stderr)
    return 1 if bad_lines else 0


@contextmanager
def _output(path: Path | None) -> Iterator[IO[str]]:
    """The screen, or a file that appears whole or not at all."""
    if path is None:
        yield sys.stdout
        return
    with open_output(path) as file:
        yield file


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"

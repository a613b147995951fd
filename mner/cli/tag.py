"""``mner tag``: the entities of new posts, from a file or from standard input, in constant memory."""

from __future__ import annotations

import codecs
import json
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from tqdm import tqdm

from mner.bounded_report import BoundedReport
from mner.cli.parsing import OptionParser
from mner.data.columns import COLUMNS_HELP, parse_columns
from mner.data.detection import Format
from mner.data.lines import MAX_LINE_BYTES
from mner.data.readers import iter_posts
from mner.devices import ACCELERATOR_HELP, device_of
from mner.errors import ConfigurationError, FormatError, ImageError, OutputError
from mner.file_names import file_names
from mner.files import atomic_write, open_output
from mner.predictions import check_threshold
from mner.terminal import printable

if TYPE_CHECKING:
    from mner.inference.tagger import Tagger
    from mner.predictions import Prediction

MAX_WAIT = 0.3
"""Seconds that a post of a live source, such as a pipe or a terminal, waits for others."""


def parser() -> OptionParser:
    """The options of ``mner tag``."""
    options = OptionParser(
        prog="mner tag",
        description="Find the entities of new posts: JSON, one text per line, CoNLL, CSV, Parquet, recognised by "
        "content. Writes one JSON object per post, in the order of the input; posts from a pipe or a terminal are "
        "tagged as they arrive.",
    )
    options.add_argument("file", type=str, help="the posts; - reads standard input")
    options.add_argument(
        "--ckpt_path", type=Path, required=True, help="a checkpoint, a model folder or user/name on a hub"
    )
    options.add_argument(
        "--output",
        type=Path | None,
        help="where to write: a file, which appears when all posts are tagged, or a pipe or device (default: -, the "
        "standard output)",
    )
    options.add_argument(
        "--format", type=Format | None, help="the input format (default: recognised by the first lines)"
    )
    options.add_argument("--images", type=Path | None, help="folder of the images that the posts name")
    options.add_argument("--columns", type=str, nargs="+", help=COLUMNS_HELP)
    options.add_argument(
        "--region_file", type=Path | None, help="the file of a model with PrecomputedRegions or DetectedCrops"
    )
    options.add_argument(
        "--figures",
        type=Path | None,
        help="folder of figures: the boxes of the entities in each image, named by the number and the id of the post",
    )
    options.add_argument(
        "--threshold", type=float, default=0.0, help="leave out entities with a lower confidence, 0 to 1"
    )
    options.add_argument("--batch_size", type=int, default=32, help="posts per batch")
    options.add_argument("--window", type=int, default=64, help="batches that are sorted by length together")
    options.add_argument(
        "--max_line_bytes",
        type=int,
        default=MAX_LINE_BYTES,
        help="longer lines are reported and left out",
    )
    options.add_argument("--accelerator", type=str, default="auto", help=ACCELERATOR_HELP)
    return options


def run(arguments: Sequence[str]) -> int:
    """Tag posts.

    Returns:
        0, or 1 if a line could not be read; the others are tagged all the same.

    Raises:
        MNERError: If the checkpoint, the input as a whole, or the output cannot be used.
    """
    options = parser().parse_args(list(arguments[1:]))
    for name in ("batch_size", "window", "max_line_bytes"):
        if options[name] < 1:
            raise ConfigurationError(f"expected --{name} of at least 1, got {options[name]}")
    check_threshold(options.threshold)
    _refuse_to_replace(options.file, options.output)
    source, live = _source(options.file)
    with _output(options.output) as output:
        from mner.inference.load import load
        from mner.vision import use_region_file

        tagger = load(options.ckpt_path, device_of(options.accelerator))
        use_region_file(tagger.model.image_encoder, options.region_file)
        if options.figures is not None and tagger.model.grounding is None:
            raise ConfigurationError(
                "--figures draws the boxes of entities, but the model predicts none; train one with grounding, or "
                "leave it out"
            )
        folder = None if options.images is None else options.images.absolute()
        tagger.use_image_folder(folder)
        bad_lines, bad_images = BoundedReport(_say, "bad lines"), BoundedReport(_say, "bad images")
        max_wait = MAX_WAIT if live else None
        posts = iter_posts(
            source,
            images=folder,
            format=options.format,
            columns=parse_columns(options.columns),
            on_error=bad_lines,
            max_line_bytes=options.max_line_bytes,
            max_wait=max_wait,
            lenient=True,
        )
        ascii = codecs.lookup(getattr(output, "encoding", None) or "utf-8").name != "utf-8"
        found = tagger.stream(
            posts,
            options.batch_size,
            options.window,
            max_wait=max_wait,
            on_bad_image=bad_images,
            threshold=options.threshold,
        )
        count = 0
        for count, prediction in enumerate(tqdm(found, unit=" posts", disable=None), start=1):
            line = prediction.to_json()
            shown = printable(line) if output.isatty() else line  # escaped as JSON escapes: it stays JSON
            output.write((json.dumps(json.loads(line)) if ascii else shown) + "\n")
            if options.figures is not None:
                _draw(prediction, tagger, options.figures, count)
            if live:
                output.flush()
        if not count and not bad_lines.count:
            raise FormatError(options.file, None, "there are no posts in it", "Give a file with posts")
    if bad_images.count:
        _say(f"{bad_images.count} images could not be used; their posts were tagged as posts without an image")
    if bad_lines.count:
        _say(f"{bad_lines.count} lines could not be read and are not in the output")
    return 1 if bad_lines.count else 0


def _draw(prediction: Prediction, tagger: Tagger, folder: Path, number: int) -> None:
    """Draw the boxes of a post into its image, if that can be used."""
    from mner.analysis.entity_boxes import draw_entities

    post = prediction.post
    if post.image is None:
        return
    try:
        image = tagger.preprocessor.image_loader(post.image)
    except ImageError:  # reported already
        return
    (name,) = file_names([f"{number}_{post.id}"])  # ids of a stream may recur
    figure = draw_entities(image, post, prediction.entities)
    with atomic_write(folder / f"{name}.png", "wb") as file:
        figure.savefig(file, format="png")


def _refuse_to_replace(file: str, output: Path | None) -> None:
    """Refuse an output that is the input: the posts would be lost.

    Raises:
        OutputError: If they are the same regular file.
    """
    if output is None or file == "-" or not os.path.isfile(file) or not os.path.exists(output):  # noqa: PTH110, PTH113
        return
    if output.samefile(file):
        raise OutputError(f"the output {output} would replace the file of the posts; give another --output")


def _say(line: str) -> None:
    tqdm.write(printable(f"mner tag: {line}"), file=sys.stderr)


def _source(file: str) -> tuple[Path | BinaryIO, bool]:
    """The input, and whether it is live: a pipe or a terminal, whose lines are tagged as they arrive."""
    place = sys.stdin.fileno() if file == "-" else file
    try:
        live = stat.S_IFMT(os.stat(place).st_mode) in (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK)  # noqa: PTH116
    except OSError:  # which reading will report
        live = False
    if file != "-":
        return Path(file), live
    # A copy of sys.stdin: the interpreter could not close the original at its end while a thread waits for a line.
    return open("<stdin>", "rb", opener=lambda *_: os.dup(sys.stdin.fileno())), live


@contextmanager
def _output(path: Path | None) -> Iterator[IO[str]]:
    if path is None or str(path) == "-":
        if sys.stdout is None:
            raise OutputError("cannot write the predictions: the standard output is closed; give --output FILE")
        yield sys.stdout
        return
    with open_output(path) as file:
        yield file

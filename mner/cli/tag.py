"""``mner tag``: the entities of new posts, from a file or from standard input, in constant memory."""

from __future__ import annotations

import codecs
import json
import os
import stat
import sys
import time
from collections.abc import Sequence
from itertools import islice
from math import inf
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Literal

from jsonargparse import Namespace
from tqdm import tqdm

from mner.bounded_report import BoundedReport
from mner.cli.option import options_in
from mner.cli.parsing import OptionParser
from mner.cli.post_options import MODELS_HELP, add_post_options, add_region_file, image_folder, remote_images
from mner.cli.static_help import help_text
from mner.cli.tag_output import tag_output, tagging_key
from mner.cli.usage import is_option
from mner.data.columns import parse_columns
from mner.data.detection import Format
from mner.data.lines import MAX_LINE_BYTES
from mner.data.readers import iter_posts
from mner.devices import ACCELERATOR_HELP
from mner.errors import ConfigurationError, FormatError, ImageError, UsageError
from mner.file_names import file_names
from mner.files import atomic_write
from mner.model_names import is_model_folder, is_on_hub
from mner.predictions import check_threshold
from mner.terminal import printable

if TYPE_CHECKING:
    from mner.inference.tagger import Tagger
    from mner.predictions import Prediction

MAX_SHOWN = 10
"""Messages about bad lines and images that are shown."""
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
    options.add_argument("file", type=str, help="The posts; - reads standard input; with --engine ray a folder or URL.")
    options.add_argument("--ckpt_path", type=Path, nargs="+", required=True, help=MODELS_HELP)
    options.add_argument(
        "--runtime",
        type=Literal["torch", "onnx"] | None,
        help="What must run the model: onnx for a folder of mner export, torch for any other (default: what fits).",
    )
    options.add_argument(
        "--output",
        type=str | None,
        help="Where to write: a file, which appears when all posts are tagged, or a pipe or device (default: -, the "
        "standard output). Repeat an interrupted command to resume it. With --engine ray a folder of parts.",
    )
    options.add_argument(
        "--format", type=Format | None, help="The input format (default: recognised by the first lines)."
    )
    add_post_options(options)
    add_region_file(options)
    options.add_argument(
        "--figures",
        type=Path | None,
        help="Folder of figures: the boxes of the entities in each image, named by the number and the id of the post.",
    )
    options.add_argument(
        "--threshold", type=float, default=0.0, help="Leave out entities with a lower confidence, 0 to 1."
    )
    options.add_argument("--batch_size", type=int, default=32, help="Posts per batch.")
    options.add_argument("--window", type=int, default=64, help="Batches whose posts are sorted by length together.")
    options.add_argument(
        "--max_line_bytes",
        type=int,
        default=MAX_LINE_BYTES,
        help="Maximum length of a line; longer ones are reported and left out.",
    )
    options.add_argument("--accelerator", type=str, default="auto", help=ACCELERATOR_HELP)
    options.add_argument(
        "--precision",
        type=Literal["32", "bf16", "int8"],
        default="32",
        help="32 as in training; bf16 mixed bfloat16; int8 a quantised text encoder, on the CPU.",
    )
    options.add_argument("--compile", type=bool, default=False, help="Compile the text encoder with torch.compile.")
    options.add_argument("--confidences", type=bool, default=True, help="Compute the confidence of each entity.")
    options.add_argument(
        "--feature_store",
        type=Path | None,
        help="File in which the features of a frozen image encoder are stored, so that each image is encoded once.",
    )
    options.add_argument(
        "--draft_images",
        type=bool,
        default=False,
        help="Decode large JPEG files at a fraction of their size: faster, and pixels differ slightly.",
    )
    options.add_argument("--num_workers", type=int, default=2, help="Threads that decode images; 0 uses none.")
    _add_engine_options(options)
    return options


def _add_engine_options(options: OptionParser) -> None:
    options.add_argument(
        "--engine",
        type=Literal["local", "ray"],
        default="local",
        help="Where to tag: local in this process; ray by several on this machine or the cluster of RAY_ADDRESS.",
    )
    options.add_argument(
        "--num_actors", type=int | None, help="Number of taggers, with --engine ray (default: as many as fit)."
    )
    options.add_argument("--cpus_per_actor", type=float, default=1, help="CPU cores per tagger, with --engine ray.")
    options.add_argument("--gpus_per_actor", type=float, default=0, help="GPUs per tagger, with --engine ray.")
    options.add_argument(
        "--output_format",
        type=Literal["jsonl", "parquet"],
        default="jsonl",
        help="Format of the parts of --engine ray.",
    )
    options.require("engine", "num_actors", "cpus_per_actor", "gpus_per_actor", "output_format", value="ray")


def run(arguments: Sequence[str]) -> int:
    """Tag posts.

    Returns:
        0, or 1 if a line could not be read; the others are tagged all the same.

    Raises:
        MNERError: If the checkpoint, the input as a whole, or the output cannot be used.
    """
    options = parser().parse_args(file_first(arguments[1:]))
    for name in ("batch_size", "window", "max_line_bytes"):
        if options[name] < 1:
            raise ConfigurationError(f"expected --{name} of at least 1, got {options[name]}")
    check_threshold(options.threshold)
    return _with_ray(options) if options.engine == "ray" else _here(options)


def file_first(arguments: Sequence[str]) -> list[str]:
    """Put the file of the posts first where it follows the checkpoints, as one of which it would be read.

    Raises:
        UsageError: If only models are given.
    """
    options = options_in(help_text("tag"))
    last, checkpoints, free = 0, 0, 0
    takes: float = 0
    is_checkpoint = False
    for place, word in enumerate(arguments):
        if is_option(word):
            name, equals, _ = word.partition("=")
            option = options.get(name)
            takes = 0 if equals or option is None or not option.value else inf if option.takes_several else 1
            is_checkpoint = name == "--ckpt_path"
        elif takes:
            takes -= 1
            last, checkpoints = (place, checkpoints + 1) if is_checkpoint else (last, checkpoints)
        else:
            free += 1
    if free or checkpoints < 2:
        return list(arguments)
    if is_model_folder(arguments[last]) or arguments[last].endswith(".ckpt"):
        raise UsageError(
            f"{arguments[last]} is a model; give the file with the posts, too: mner tag FILE --ckpt_path ..."
        )
    return [arguments[last], *arguments[:last], *arguments[last + 1 :]]


def _here(options: Namespace) -> int:
    """Tag in this process."""
    source, live = _source(options.file)
    with tag_output(options, live) as output:
        tagger = _tagger(options)
        bad_lines, bad_images = BoundedReport(_say, "bad lines"), BoundedReport(_say, "bad images")
        max_wait = MAX_WAIT if live else None
        posts = iter_posts(
            source,
            images=image_folder(options),
            format=options.format,
            columns=parse_columns(options.columns),
            remote=remote_images(options),
            on_error=bad_lines,
            max_line_bytes=options.max_line_bytes,
            max_wait=max_wait,
            lenient=True,
        )
        if output.done:
            _say(f"resumed after {output.done} posts")
            posts = islice(posts, output.done, None)
        found = tagger.stream(
            posts,
            options.batch_size,
            options.window,
            max_wait=max_wait,
            on_bad_image=bad_images,
            threshold=options.threshold,
        )
        started, count = time.monotonic(), 0
        for count, prediction in enumerate(tqdm(found, unit=" posts", disable=None), start=1):
            output.file.write(_line(prediction, output.file))
            if options.figures is not None:
                _draw(prediction, tagger, options.figures, output.done + count)
            if live or count % (options.batch_size * options.window) == 0:
                output.flush()
        if not count + output.done and not bad_lines.count:
            raise FormatError(options.file, None, "there are no posts in it", "Give a file with posts")
    if options.output not in (None, "-") and not live:
        seconds = time.monotonic() - started
        _say(f"{count} posts in {seconds:.1f} s, {count / max(seconds, 1e-9):.1f} posts/s: {options.output}")
    return _summary(bad_lines.count, bad_images.count)


def _tagger(options: Namespace) -> Tagger:
    """Load the models, and check that they can do what the options ask for."""
    from mner.inference.load import load
    from mner.vision import use_region_file

    tagger = load(options.ckpt_path, options.accelerator, options=_how(options))
    check_runtime(options.runtime, options.ckpt_path, tagger)
    for model in tagger.models:
        use_region_file(model.image_encoder, options.region_file)
    if options.figures is not None and tagger.model.grounding is None:
        raise ConfigurationError(
            "--figures draws the boxes of entities, but the model predicts none; train one with grounding, or leave "
            "it out"
        )
    tagger.use_image_folder(image_folder(options), remote_images(options))
    return tagger


def _line(prediction: Prediction, file: IO[str]) -> str:
    """A prediction as a line of JSON, in ASCII where the file is not in UTF-8, and without control characters."""
    line = prediction.to_json()
    if codecs.lookup(getattr(file, "encoding", None) or "utf-8").name != "utf-8":
        return f"{json.dumps(json.loads(line))}\n"
    return f"{printable(line) if file.isatty() else line}\n"  # escaped as JSON escapes: it stays JSON


def _with_ray(options: Namespace) -> int:
    """Tag on a Ray cluster."""
    from mner.inference.output_parts import OutputParts
    from mner.inference.ray_tagging import Cluster, Reading, Totals, tag_with_ray

    if len(options.ckpt_path) > 1:
        raise ConfigurationError("--engine ray tags with one model; give one --ckpt_path, or --engine local")
    if options.output in (None, "-") or options.file == "-":
        raise ConfigurationError("--engine ray reads files and writes a folder: give FILE, and --output FOLDER")
    for name in ("region_file", "figures", "threshold", "runtime"):
        if options[name]:
            raise ConfigurationError(f"--engine ray has no --{name}; tag with --engine local")
    (path,) = options.ckpt_path
    folder = options.output if "://" in options.output else str(Path(options.output).absolute())
    output = OutputParts(folder, options.output_format)
    output.claim(tagging_key(options))
    images, remote, columns = image_folder(options), remote_images(options), parse_columns(options.columns)
    chunk = options.batch_size * options.window
    reading = Reading(images, options.format, options.max_line_bytes, chunk, columns, remote)
    cluster = Cluster(options.num_actors, options.cpus_per_actor, options.gpus_per_actor)
    started, totals = time.monotonic(), Totals()
    with tqdm(unit=" posts", disable=None) as bar:
        found = tag_with_ray(
            options.file,
            path if is_on_hub(path) else path.absolute(),
            output,
            reading,
            _how(options),
            cluster,
            options.batch_size,
        )
        for totals in found:
            bar.update(totals.posts - bar.n)
    if not totals.posts and not totals.bad_lines:
        raise FormatError(options.file, None, "there are no posts in it", "Give a file with posts")
    for message in totals.messages[:MAX_SHOWN]:
        _say(message)
    seconds = time.monotonic() - started
    _say(f"{totals.posts} posts in {totals.parts} parts in {seconds:.1f} s: {options.output}")
    return _summary(totals.bad_lines, totals.bad_images)


def check_runtime(runtime: str | None, paths: Sequence[Path], tagger: Tagger) -> None:
    """Refuse a model that is computed by something else than the user asks for.

    Raises:
        ConfigurationError: If it is.
    """
    for path, model in zip(paths, tagger.models, strict=True):
        if runtime not in (None, model.runtime):
            raise ConfigurationError(
                f"{path} is a checkpoint, which PyTorch runs; export it: mner export --ckpt_path {path} --output FOLDER"
                if runtime == "onnx"
                else f"{path} is an exported model, which ONNX Runtime runs; give the checkpoint"
            )


def _how(options: Namespace) -> Any:
    from mner.inference.tagging_options import TaggingOptions

    names = ("precision", "compile", "confidences", "feature_store", "draft_images", "num_workers")
    return TaggingOptions(**{name: options[name] for name in names})


def _summary(bad_lines: int, bad_images: int) -> int:
    if bad_images:
        _say(f"{bad_images} images could not be used and were left out")
    if bad_lines:
        _say(f"{bad_lines} lines could not be read and are not in the output")
    return 1 if bad_lines else 0


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

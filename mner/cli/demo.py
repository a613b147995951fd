"""``mner demo``: a page in the browser for trying and comparing checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from jsonargparse import Namespace

from mner.cli.parsing import OptionParser
from mner.cli.post_options import add_columns, image_folder
from mner.data.columns import parse_columns
from mner.devices import ACCELERATOR_HELP, device_of
from mner.errors import UsageError
from mner.posts import Post
from mner.terminal import printable

EXAMPLES = 8


def parser() -> OptionParser:
    """The options of ``mner demo``."""
    options = OptionParser(
        prog="mner demo",
        description="Serve a page for trying checkpoints: type a post and drop an image to see the entities, their "
        "confidences and what they attend to. Several checkpoints are compared next to each other.",
    )
    options.add_argument(
        "--ckpt_path", type=Path, nargs="+", required=True, help="Checkpoints, for example runs/0/best.ckpt."
    )
    options.add_argument("--examples", type=Path | None, default=None, help="Posts to choose from, in any format.")
    add_columns(options)
    options.add_argument(
        "--images", type=Path | None, default=None, help="Folder of the examples' images; visitors can see them."
    )
    options.require("examples", "columns", "images")
    options.add_argument("--host", type=str, default="127.0.0.1", help="Address to listen at; 0.0.0.0 for all.")
    options.add_argument("--port", type=int, default=7860, help="Port to listen at.")
    options.add_argument("--accelerator", type=str, default="auto", help=ACCELERATOR_HELP)
    return options


def run(arguments: Sequence[str]) -> None:
    """Serve the page until the command is interrupted.

    Raises:
        MNERError: If a checkpoint or the examples cannot be read, or gradio is not installed.
    """
    options = parser().parse_args(list(arguments[1:]))
    from mner.inference.demo_page import demo_page, launch
    from mner.inference.load import load

    paths = [path.absolute() for path in options.ckpt_path]
    names = short_names(paths)
    taggers = {name: load(path, device_of(options.accelerator)) for name, path in zip(names, paths, strict=True)}
    with TemporaryDirectory() as folder:
        examples = example_posts(options, Path(folder))
        page = demo_page(taggers, examples)
        print(printable(f"http://{options.host}:{options.port}"), flush=True)
        launch(page, options.host, options.port, [str(post.image) for post in examples if post.image is not None])


def short_names(paths: Sequence[Path]) -> list[str]:
    """Name each path by the folders and the file in which it differs from the others.

    Raises:
        UsageError: If a path is given twice.

    Example:
        >>> short_names([Path("/runs/cam/seed_1/best.ckpt"), Path("/runs/text/seed_1/best.ckpt")])
        ['cam', 'text']
    """
    if len(paths) == 1:
        return [f"{paths[0].parent.name}/{paths[0].name}"]
    if len(set(paths)) < len(paths):
        raise UsageError("--ckpt_path: the same checkpoint is given twice; give each once")
    parts = [path.parts for path in paths]
    shared = _shared(parts)
    rest = [each[shared:] for each in parts]
    same_end = _shared([each[::-1] for each in rest])
    return ["/".join(each[: len(each) - same_end]) or each[-1] for each in rest]


def _shared(lists: Sequence[Sequence[str]]) -> int:
    """Number of items that all lists begin with."""
    return next(
        (place for place, items in enumerate(zip(*lists, strict=False)) if len(set(items)) > 1), min(map(len, lists))
    )


def example_posts(options: Namespace, folder: Path) -> list[Post]:
    """The first posts of the file, or generated ones whose images are drawn into a folder."""
    from mner.data.readers import read_posts
    from mner.demo.generate import SMALLEST, generate_demo_posts

    if options.examples is not None:
        columns = parse_columns(options.columns)
        return read_posts(options.examples, images=image_folder(options), columns=columns)[:EXAMPLES]
    posts = generate_demo_posts(size=SMALLEST, folder=folder)["test"]
    return [post for post in posts if post.image is not None][:EXAMPLES]

"""The options of commands that ask a language model about posts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from mner.cli.parsing import OptionParser
from mner.cli.post_options import add_columns, add_image_options
from mner.contexts import ContextWriter
from mner.devices import ACCELERATOR_HELP
from mner.errors import ConfigurationError
from mner.paths import is_file
from mner.text import TextEncoder
from mner.vision import ImageEncoder

_EXAMPLE_OPTIONS = (
    "example_columns", "example_images", "example_captions", "num_examples", "show_example_images", "text_encoder",
    "image_encoder",
)  # fmt: skip


def add_asked_posts(options: OptionParser) -> None:
    """Declare the posts that are asked about."""
    options.add_argument("--posts", type=Path, required=True, help="The posts, in any format that mner reads.")
    add_columns(options)


def add_writer_options(options: OptionParser, prompt: str) -> None:
    """Declare the writer, its prompt and its limits.

    Args:
        options: The parser of a command.
        prompt: The default prompt.
    """
    options.add_argument(
        "--writer",
        type=ContextWriter,
        required=True,
        enable_path=True,
        help="The model that is asked: ChatEndpoint or TransformersWriter, or a YAML file of class_path and init_args.",
    )
    options.add_argument(
        "--output", type=Path, required=True, help="File to write; answers are kept in OUTPUT.KIND.answers."
    )
    add_image_options(options)
    options.add_argument("--captions", type=Path | None, help="Captions of the images, for the prompt.")
    options.add_argument(
        "--prompt", type=str, default=prompt, help="A prompt that ships with mner, or a YAML file of your own."
    )
    options.add_argument(
        "--max_requests", type=int | None, help="Budget of requests of this run, repeated ones included."
    )
    options.add_argument("--max_tokens", type=int | None, help="Budget of tokens of this run, prompts included.")
    options.add_argument(
        "--retry_unusable", type=bool, default=False, help="Ask again where the answer so far cannot be used."
    )
    options.add_argument("--accelerator", type=str, default="auto", help=f"For a local model. {ACCELERATOR_HELP}")


def add_example_options(options: OptionParser) -> None:
    """Declare where solved examples come from."""
    options.add_argument("--examples", type=Path | None, help="Annotated training posts, for solved examples.")
    options.add_argument(
        "--example_columns", type=str, default=None, nargs="+", help="Columns of the training posts, as for --columns."
    )
    options.add_argument(
        "--example_images", type=Path | None, help="Folder of the images of the training posts (default: --images)."
    )
    options.add_argument("--example_captions", type=Path | None, help="Captions of the images of the training posts.")
    options.add_argument("--num_examples", type=int, default=5, help="Solved examples per post.")
    options.add_argument(
        "--show_example_images",
        type=bool,
        default=False,
        help="Show the images of solved examples, not only the texts.",
    )
    options.add_argument(
        "--text_encoder",
        type=TextEncoder | None,
        default=None,
        help="How the words of posts are compared, to choose examples.",
    )
    options.add_argument(
        "--image_encoder", type=ImageEncoder | None, default=None, help="How the images of posts are compared."
    )
    options.require("examples", *_EXAMPLE_OPTIONS)


def parse_options(parser: OptionParser, arguments: Sequence[str]) -> Namespace:
    """Parse the options of a command.

    Raises:
        ConfigurationError: If the file of a writer is missing; the parser would look for a module of its name.
    """
    given = list(arguments[1:])
    for option, following in zip(given, [*given[1:], ""], strict=True):
        name, equals, value = option.partition("=")
        file = value if equals else following
        if name == "--writer" and file.endswith((".yaml", ".yml")) and not is_file(file):
            raise ConfigurationError(f"no file {file}; give --writer a YAML file of class_path and init_args")
    parsed: Namespace = parser.parse_args(given)
    return parsed

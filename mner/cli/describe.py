"""``mner describe``: texts about posts and their images, by a language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mner.cli.asking import (
    ask,
    asked_posts,
    examples_for,
    given_prompt,
    image_loader,
    summary,
    without_image_names,
)
from mner.cli.parsing import OptionParser
from mner.cli.post_options import image_folder, remote_images
from mner.cli.writer_options import add_asked_posts, add_example_options, add_writer_options, parse_options
from mner.contexts import Reply
from mner.data.context_files import read_contexts
from mner.errors import ConfigurationError
from mner.files import atomic_write
from mner.post_json import to_json
from mner.posts import Post
from mner.prompting import Query, context_lines, listed_solution
from mner.prompting.examples import Solve, texts_and_shown
from mner.terminal import printable


def parser() -> OptionParser:
    """The options of ``mner describe``."""
    options = OptionParser(
        prog="mner describe",
        description="Ask a language model or vision-language model about every post, for a data set's contexts: one "
        "JSON object per line. Repeat the command to resume.",
    )
    add_asked_posts(options)
    add_writer_options(options, "knowledge")
    add_example_options(options)
    options.add_argument(
        "--solutions",
        type=Path | None,
        help="Answers about training posts, a context file (default: their gold entities as a list).",
    )
    options.require("examples", "solutions")
    return options


def run(arguments: Sequence[str]) -> int:
    """Describe the posts.

    Returns:
        0, or 1 if a post has no answer yet.

    Raises:
        MNERError: If the writer, the prompt, the posts or the output cannot be used.
    """
    options_parser = parser()
    options = parse_options(options_parser, arguments)
    prompt = given_prompt(options)
    remote = remote_images(options)
    posts = asked_posts(options)
    total = len(posts)
    if prompt.needs_image and options.images is None:
        raise ConfigurationError(f"the prompt {options.prompt!r} is about images; give their folder with --images DIR")
    if prompt.needs_image:
        posts = [post for post in posts if post.image is not None]
    asked = without_image_names(posts, options.images)
    built = options_parser.instantiate_classes(options)
    examples = examples_for(options, built, asked, prompt, _solve(options.solutions))
    load = image_loader(options.images, options.example_images, remote=remote)
    instructions = prompt.instruct()
    queries = []
    for post, chosen in zip(asked, examples, strict=True):
        texts, shown = texts_and_shown(chosen)
        queries.append(Query.about(post, instructions, prompt.ask(post, texts), load, examples=shown))
    report = ask(options, built.writer, prompt.kind, queries, "skip", _is_refusal)
    replies = [report.replies.get(place) for place in range(len(posts))]
    images = image_folder(options)
    lines, unusable = context_lines(posts, replies, prompt.kind, images)
    with atomic_write(options.output) as file:
        file.writelines(to_json(line) + "\n" for line in lines)
    print(summary("describe", report, unusable))
    without = f", {total - len(posts)} posts without an image left out" if total > len(posts) else ""
    print(printable(f"  {options.output}: {len(lines)} of {len(posts)} posts{without}"))
    if not report.is_complete:
        print("  repeat the command to ask about the others")
    return 0 if report.is_complete else 1


def _solve(solutions: Path | None) -> Solve:
    if solutions is None:
        return listed_solution
    contexts = read_contexts(solutions)

    def solve(post: Post) -> str:
        return contexts.find(post) or ""

    return solve


def _is_refusal(place: int, reply: Reply) -> bool:
    """Whether a reply has no usable text, whatever the prompt."""
    return reply.error is not None or not reply.text.strip()

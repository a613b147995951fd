"""What the commands that ask a language model about posts have in common: posts, solved examples, journal, summary."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from jsonargparse import Namespace

from mner.bounded_report import BoundedReport
from mner.cli.post_options import image_folder, remote_images
from mner.contexts import Budget, ContextWriter, Reply
from mner.data.columns import parse_columns
from mner.data.context_files import read_contexts
from mner.data.contexts import attach_contexts
from mner.data.readers import read_posts
from mner.devices import device_of
from mner.errors import ConfigurationError
from mner.images import ImageLoader
from mner.posts import Post
from mner.prompting import AnswerJournal, AskingReport, Prompt, Query, SimilarPosts, ask_all, solved_examples
from mner.prompting.asking import BadImage
from mner.prompting.examples import Solve, training_posts
from mner.prompting.query import SolvedExample
from mner.remote_images import RemoteImages
from mner.terminal import printable


def given_prompt(options: Namespace) -> Prompt:
    """Load the prompt.

    Raises:
        ConfigurationError: If there is none, or it does not show what other options give.
    """
    prompt = Prompt.load(options.prompt)
    for option, field in (("captions", "caption"), ("examples", "examples")):
        if options.get(option) is not None and field not in prompt.fields:
            raise ConfigurationError(
                f"the prompt {options.prompt!r} has no field ${{{field}}}, so --{option} would do nothing; add it to "
                f"the question, or leave --{option} out"
            )
    return prompt


def asked_posts(options: Namespace) -> list[Post]:
    """Read the posts that are asked about, with the captions of their images."""
    folder, columns = image_folder(options), parse_columns(options.columns)
    posts = read_posts(options.posts, images=folder, columns=columns, remote=remote_images(options))
    return with_captions(posts, options.captions, folder)


def example_posts(options: Namespace) -> list[Post]:
    """Read the training posts, with the captions of their images; those of the asked posts are in the same file."""
    is_same_file = _are_same(options)
    images = options.example_images or options.images
    folder = None if images is None else images.absolute()
    captions = options.example_captions or (options.captions if is_same_file else None)
    columns = parse_columns(options.example_columns or (options.columns if is_same_file else None))
    posts = read_posts(options.examples, images=folder, columns=columns, remote=remote_images(options))
    return with_captions(posts, captions, folder)


def _are_same(options: Namespace) -> bool:
    """Whether the training posts are the posts that are asked about."""
    return bool(options.examples.exists() and options.examples.samefile(options.posts))


def with_captions(posts: list[Post], captions: Path | None, images: Path | None) -> list[Post]:
    """Give posts the captions of their images.

    Raises:
        ConfigurationError: If the file has none for any of them.
    """
    if captions is None:
        return posts
    found, missing = attach_contexts(posts, "caption", read_contexts(captions), images)
    if missing == len(posts):
        raise ConfigurationError(f"{captions} has no caption of any of the posts; check that it is for these images")
    return found


def without_image_names(posts: Sequence[Post], images: Path | None) -> list[Post]:
    """Without an image folder, names of images in a file of posts are not opened."""
    return list(posts) if images is not None else [post.with_images(()) for post in posts]


def image_loader(*folders: Path | None, remote: RemoteImages | None = None) -> ImageLoader:
    """Open images in the given folders only."""
    return ImageLoader(tuple(folder.absolute() for folder in folders if folder is not None), remote=remote)


def examples_for(
    options: Namespace, built: Namespace, posts: Sequence[Post], prompt: Prompt, solve: Solve
) -> list[list[SolvedExample]]:
    """Render the solved examples of each post; none without ``--examples``.

    Args:
        options: The options, parsed.
        built: The options, instantiated.
        posts: The posts that are asked about.
        prompt: The prompt.
        solve: Returns the answer of a training post, or an empty text.
    """
    if options.examples is None:
        return [[] for _ in posts]
    if options.num_examples < 1:
        raise ConfigurationError(f"expected --num_examples of at least 1, got {options.num_examples}")
    train = example_posts(options)
    kept = training_posts(train, posts, solve, _are_same(options))
    if len(kept) < len(train):
        _say(f"{len(train) - len(kept)} of {len(train)} training posts have no solution or are asked about themselves")
    load = image_loader(options.example_images, options.images, remote=remote_images(options))
    device = device_of(options.accelerator)
    similar = SimilarPosts(kept, built.text_encoder, built.image_encoder, load, device=device)
    shown = load if options.show_example_images else None
    return solved_examples(posts, similar, options.num_examples, prompt, solve, shown)


def ask(
    options: Namespace,
    writer: ContextWriter,
    kind: str,
    queries: Sequence[Query],
    on_bad_image: BadImage,
    unusable: Callable[[int, Reply], bool],
) -> AskingReport:
    """Ask the queries, and report bad images and failures on standard error.

    Args:
        options: The options, parsed.
        writer: Who is asked.
        kind: Kind of the answers.
        queries: The queries.
        on_bad_image: ``skip`` or ``mask``.
        unusable: Whether a query, by its place, has an unusable reply.
    """
    journal = AnswerJournal(options.output, kind)
    writer.move_to(device_of(options.accelerator))
    retry: set[str] = set()
    if options.retry_unusable:
        known = journal.read()
        keys = [query.key(writer) for query in queries]
        retry = {key for place, key in enumerate(keys) if key in known and unusable(place, known[key])}
    report = ask_all(
        queries,
        writer,
        journal,
        Budget(options.max_requests, options.max_tokens),
        image_loader(options.images, options.get("example_images"), remote=remote_images(options)),
        on_bad_image,
        retry,
        progress=sys.stderr.isatty(),
    )
    _list_problems("bad images", report.bad_images.values())
    _list_problems("failures", (f"{queries[place].id}: {why}" for place, why in report.failed.items()))
    return report


def summary(command: str, report: AskingReport, unusable: int, what: str = "posts") -> str:
    """Describe a run in one line: what was asked, what it cost, and what is missing.

    Args:
        command: The command.
        report: The run.
        unusable: Number of unusable answers, those of former runs included.
        what: What the questions are about.
    """
    asked = len(report.replies) - report.kept
    parts = [
        f"{asked} {what} asked, {report.kept} answered before, {unusable} answers unusable",
        f"{report.requests} requests, {report.tokens:,} tokens, {report.seconds:.1f} s",
        *([f"{len(report.bad_images)} images could not be used"] if report.bad_images else []),
        *([f"{len(report.failed)} failed"] if report.failed else []),
        *([f"{report.not_asked} not asked, since the budget is used up"] if report.not_asked else []),
    ]
    return f"mner {command}: {'; '.join(parts)}"


def _say(line: object) -> None:
    """Print a line on standard error."""
    print(printable(line), file=sys.stderr)


def _list_problems(what: str, problems: Iterable[str]) -> None:
    report = BoundedReport(_say, what)
    for problem in problems:
        report(f"  {problem}")

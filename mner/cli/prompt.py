"""``mner prompt``: the entities of posts by asking a language model, as a system to compare trained models with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from jsonargparse import Namespace

from mner.cli.asking import (
    ask,
    asked_posts,
    example_posts,
    examples_for,
    given_prompt,
    image_loader,
    summary,
    without_image_names,
)
from mner.cli.parsing import OptionParser
from mner.cli.post_options import remote_images
from mner.cli.writer_options import add_asked_posts, add_example_options, add_writer_options, parse_options
from mner.contexts import Reply
from mner.posts import Post
from mner.predictions import write_predictions
from mner.prompting import EntityPrompting, EntityTypes, entity_solution, read_entity_answer
from mner.prompting.box_units import BoxUnit
from mner.terminal import printable


def parser() -> OptionParser:
    """The options of ``mner prompt``."""
    options = OptionParser(
        prog="mner prompt",
        description="Find the entities of posts by asking a language model or vision-language model, with or without "
        "solved examples. Writes a predictions file for mner report. Repeat the command to resume.",
    )
    add_asked_posts(options)
    add_writer_options(options, "entities")
    options.add_argument(
        "--types",
        type=dict[str, str] | None,
        help="The entity types with a description each, such as {PER: people, TEAM: ''} (default: those of the "
        "training posts, or of the posts).",
    )
    options.add_argument(
        "--boxes",
        type=BoxUnit | None,
        help="Read boxes, with --prompt grounded_entities, in pixels of the image as the model sees it (Qwen2.5-VL), "
        "thousandths of its sides (Qwen3-VL), or fractions.",
    )
    add_example_options(options)
    return options


def run(arguments: Sequence[str]) -> int:
    """Tag the posts.

    Returns:
        0, or 1 if a post has no answer yet; such posts are not in the output.

    Raises:
        MNERError: If the writer, the prompt, the posts or the output cannot be used.
    """
    options_parser = parser()
    options = parse_options(options_parser, arguments)
    remote = remote_images(options)
    posts = asked_posts(options)
    prompting = EntityPrompting(given_prompt(options), _types(options, posts), options.boxes)
    built = options_parser.instantiate_classes(options)
    asked = without_image_names(posts, options.images)
    solve = partial(entity_solution, boxes=options.boxes)
    examples = examples_for(options, built, asked, prompting.prompt, solve)
    load = image_loader(options.images, options.example_images, remote=remote)
    queries = [prompting.query(post, shown, load) for post, shown in zip(asked, examples, strict=True)]
    report = ask(options, built.writer, prompting.prompt.kind, queries, "mask", _is_unusable)
    counts: Counter[str] = Counter()
    predictions = []
    for place, reply in sorted(report.replies.items()):
        prediction, problems = prompting.predict(posts[place], reply)
        predictions.append(prediction)
        counts += problems
    write_predictions(predictions, options.output)
    print(summary("prompt", report, counts["unusable answers"]))
    for name, number in sorted(counts.items()):
        print(f"  {number} {name}")
    print(printable(f"  {options.output}: {len(predictions)} of {len(posts)} posts"))
    if not report.is_complete:
        print("  repeat the command to ask about the others")
    return 0 if report.is_complete else 1


def _types(options: Namespace, posts: Sequence[Post]) -> EntityTypes:
    if options.types is not None:
        return EntityTypes(options.types)
    return EntityTypes.of(posts if options.examples is None else example_posts(options))


def _is_unusable(place: int, reply: Reply) -> bool:
    return read_entity_answer(reply.text) is None

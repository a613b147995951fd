"""``mner review``: a second opinion of a language model on the uncertain entities of a tagger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mner.cli.asking import (
    ask,
    given_prompt,
    image_loader,
    summary,
    with_captions,
)
from mner.cli.parsing import OptionParser
from mner.cli.post_options import image_folder, remote_images
from mner.cli.writer_options import add_writer_options, parse_options
from mner.contexts import Reply
from mner.errors import ConfigurationError
from mner.files import atomic_write
from mner.labels import types_of
from mner.post_json import to_json
from mner.predictions import Prediction, read_predictions, write_predictions
from mner.prompting import EntityTypes, apply_verdicts, by_threshold, read_verdict, uncertain
from mner.prompting.review import ThresholdRow, review_query
from mner.terminal import printable

STEPS = 10
"""Number of thresholds up to the given one for which calls and F1 are reported."""


def parser() -> OptionParser:
    """The options of ``mner review``."""
    options = OptionParser(
        prog="mner review",
        description="Ask a language model about the entities that a tagger predicted with low confidence: keep, "
        "retype or drop each. Writes a predictions file, and calls and F1 by threshold into OUTPUT.thresholds.json.",
    )
    options.add_argument("predictions", type=Path, help="Predictions of mner test, predict or tag, with confidences.")
    options.add_argument("--threshold", type=float, default=0.7, help="Entities below this confidence are asked about.")
    add_writer_options(options, "review")
    options.add_argument(
        "--types",
        type=dict[str, str] | None,
        help="The entity types with a description each (default: those of the predictions).",
    )
    return options


def run(arguments: Sequence[str]) -> int:
    """Review the predictions.

    Returns:
        0, or 1 if an entity has no answer yet; it is kept.

    Raises:
        MNERError: If the writer, the prompt, the predictions or the output cannot be used.
    """
    options_parser = parser()
    options = parse_options(options_parser, arguments)
    if not 0 < options.threshold <= 1:
        raise ConfigurationError(f"expected --threshold above 0 and up to 1, got {options.threshold}")
    prompt = given_prompt(options)
    predictions = read_predictions(options.predictions)
    if all(entity.confidence is None for each in predictions for entity in each.entities):
        raise ConfigurationError(f"no entity of {options.predictions} has a confidence, so none is uncertain")
    given = options.types or dict.fromkeys(_types(predictions), "")
    types = EntityTypes(given)
    folder = image_folder(options)
    images = [[folder / image for image in each.post.images] if folder else [] for each in predictions]
    posts = with_captions(
        [each.post.with_images(paths) for each, paths in zip(predictions, images, strict=True)],
        options.captions,
        folder,
    )
    places = uncertain(predictions, options.threshold)
    load = image_loader(options.images, remote=remote_images(options))
    entities = [predictions[place].entities[index] for place, index in places]
    queries = [
        review_query(posts[place], entity, prompt, types, load)
        for (place, _), entity in zip(places, entities, strict=True)
    ]

    def is_unusable(number: int, reply: Reply) -> bool:
        return not read_verdict(reply, entities[number], types).is_usable

    built = options_parser.instantiate_classes(options)
    report = ask(options, built.writer, prompt.kind, queries, "mask", is_unusable)
    verdicts = {
        places[number]: read_verdict(reply, entities[number], types) for number, reply in report.replies.items()
    }
    write_predictions(apply_verdicts(predictions, verdicts, options.threshold), options.output)
    thresholds = [round(options.threshold * step / STEPS, 6) for step in range(STEPS + 1)]
    rows = by_threshold(predictions, verdicts, thresholds)
    with atomic_write(options.output.with_name(f"{options.output.name}.thresholds.json")) as file:
        file.write(to_json([asdict(row) for row in rows], indent=2) + "\n")
    print(summary("review", report, sum(not verdict.is_usable for verdict in verdicts.values()), "entities"))
    print("\n".join(_table(rows)))
    print(printable(f"  {options.output}: {len(predictions)} posts"))
    return 0 if report.is_complete else 1


def _types(predictions: Sequence[Prediction]) -> list[str]:
    gold = types_of(tag for each in predictions for tag in each.post.tags or ())
    return sorted({*gold, *(entity.type for each in predictions for entity in each.entities)})


def _table(rows: Sequence[ThresholdRow]) -> list[str]:
    lines = ["  threshold   calls    kept retyped dropped unusable      F1"]
    for row in rows:
        f1 = "" if row.f1 is None else f"{100 * row.f1:.2f}"
        counts = f"{row.calls:7} {row.kept:7} {row.retyped:7} {row.dropped:7} {row.unusable:8}"
        lines.append(f"  {row.threshold:9.3f} {counts} {f1:>7}")
    return lines

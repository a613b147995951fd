"""Time the analyses of 10 models with 5 seeds each on 3,257 posts, as many as Twitter-2015's test set has.

Predictions are generated: each model predicts some of the gold entities of random posts and distorts others. Timed are
reading files, alignment, counts, breakdowns, kinds of errors, calibration, the comparison of all 45 pairs of models
with 10,000 draws, and a whole report with its figures, from the same files. Processor time on one thread is measured,
so that a busy machine gives the same result. Run ``OMP_NUM_THREADS=1 python benchmarks/analysis.py``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

import numpy as np

from mner.analysis.alignment import check_aligned
from mner.analysis.breakdowns import TrainedMentions, by_image, by_length, by_mention
from mner.analysis.calibration import calibrate
from mner.analysis.counts import count_entities
from mner.analysis.error_kinds import error_kinds
from mner.analysis.figures import make_figures
from mner.analysis.report import make_report
from mner.analysis.results import Result
from mner.analysis.significance import Resampling, compare, f1_interval, holm
from mner.labels import spans, tags_of
from mner.posts import Entity, Post
from mner.predictions import Prediction, read_predictions, write_predictions

TYPES = ("LOC", "MISC", "ORG", "PER")
SPENT: dict[str, float] = {}


def make_posts(count: int, random: np.random.Generator) -> list[Post]:
    """Generate posts of 5 to 30 words with about two entities each."""
    posts = []
    for index in range(count):
        words = tuple(f"w{word}" for word in random.zipf(1.3, random.integers(5, 31)) % 5000)
        starts = np.unique(random.integers(0, len(words) // 3, random.integers(0, 4))) * 3
        entities = [Entity(str(random.choice(TYPES)), int(at), int(at + random.integers(1, 3))) for at in starts]
        posts.append(Post(str(index), words, tuple(tags_of(entities, len(words)))))
    return posts


def find(post: Post, quality: float, random: np.random.Generator) -> Prediction:
    """Predict as a model of some quality: entities that are correct, have another type or end, or are missed."""
    found = []
    for entity in spans(post.tags or ()):
        luck, confidence = random.random(), float(random.beta(5, 1))
        if luck < quality:
            found.append(Entity(entity.type, entity.start, entity.end, None, confidence))
        elif luck < quality + 0.1:
            found.append(Entity(str(random.choice(TYPES)), entity.start, entity.end, None, confidence))
        elif luck < quality + 0.15:
            found.append(Entity(entity.type, entity.start, entity.start + 1, None, confidence))
    return Prediction(post, tuple(found))


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Add the processor seconds of a block to those of its name."""
    start = time.process_time()
    yield
    SPENT[name] = SPENT.get(name, 0.0) + time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--posts", type=int, default=3257)
    parser.add_argument("--rounds", type=int, default=10_000)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    posts, train = make_posts(options.posts, random), make_posts(4000, random)
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for model in range(options.models):
            for seed in range(options.seeds):
                quality = 0.7 + 0.01 * model + 0.01 * random.standard_normal()
                paths[model, seed] = Path(folder, f"{model}_{seed}.jsonl")
                write_predictions((find(post, quality, random) for post in posts), paths[model, seed])
        with timed("reading"):
            read = {cell: read_predictions(path) for cell, path in paths.items()}
        start = time.process_time()
        results = [Result(f"model_{model}", "data", seed, predictions=path) for (model, seed), path in paths.items()]
        report = make_report(results, {"data": train}, rounds=options.rounds)
        for figure in make_figures(report).values():
            figure.savefig(Path(folder, "figure.png"))
        whole = time.process_time() - start
    with timed("alignment"):
        check_aligned({str(cell): predictions for cell, predictions in read.items()})
    with timed("counts"):
        counts = {cell: count_entities(predictions, TYPES) for cell, predictions in read.items()}
    with timed("breakdowns"):
        trained = TrainedMentions(train)
        for predictions in read.values():
            trained.check_types(predictions)
            by_mention(predictions, trained)
            by_length(predictions)
            by_image(predictions)
    with timed("kinds of errors"):
        for predictions in read.values():
            error_kinds(predictions)
    with timed("calibration"):
        for predictions in read.values():
            calibrate(predictions)
    systems = [[counts[model, seed] for seed in range(options.seeds)] for model in range(options.models)]
    with timed("draws"):
        draws = Resampling(options.posts, options.rounds)
    with timed("intervals"):
        for system in systems:
            f1_interval(system, draws)
    with timed("comparisons"):
        comparisons = [compare(one, other, draws) for one, other in combinations(systems, 2)]
    corrected = holm([each.p_value for each in comparisons])
    for name, seconds in SPENT.items():
        print(f"{name:16} {seconds:6.1f} s")
    significant = sum(each.significant(p) for each, p in zip(comparisons, corrected, strict=True))
    print(f"{'all':16} {sum(SPENT.values()):6.1f} s; {significant} of {len(comparisons)} differences are significant")
    print(f"{'a whole report':16} {whole:6.1f} s")


if __name__ == "__main__":
    main()

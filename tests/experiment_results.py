"""Results of a made-up experiment, written to disk as ``mner experiment`` writes them."""

from pathlib import Path

import numpy as np

from mner.analysis.results import RESULTS_FILE, Result, write_results
from mner.labels import spans
from mner.posts import Entity, Post
from mner.predictions import Prediction, write_predictions

TYPES = ("PER", "LOC")
NAMES = {"PER": ("Kevin Durant", "Paris", "Serena"), "LOC": ("Oslo", "Paris", "Oracle Arena")}


def make_posts(count, seed=0):
    """Posts of 1 to 28 words with a mention each; Paris is a person or a place."""
    draw = np.random.default_rng(seed)
    posts = []
    for index in range(count):
        type_ = TYPES[draw.integers(2)]
        name = NAMES[type_][draw.integers(3)].split()
        before, behind = (["word"] * draw.integers(14) for _ in range(2))
        tags = ["O"] * len(before) + [f"B-{type_}"] + [f"I-{type_}"] * (len(name) - 1) + ["O"] * len(behind)
        posts.append(
            Post(str(index), (*before, *name, *behind), tuple(tags), image=Path("a.jpg") if index % 3 else None)
        )
    return posts


def make_predictions(posts, accuracy, seed):
    """Entities that are right with a probability, else of the other type."""
    draw = np.random.default_rng(seed)
    predictions = []
    for post in posts:
        found = []
        for entity in spans(post.tags):
            right = draw.random() < accuracy
            type_ = entity.type if right else TYPES[1 - TYPES.index(entity.type)]
            found.append(Entity(type_, entity.start, entity.end, confidence=0.5 + 0.5 * draw.random()))
        predictions.append(Prediction(post, tuple(found)))
    return predictions


def write_experiment(folder, accuracies, posts, data="twitter2017", fractions=(1.0,), seeds=(1, 2), ablations=None):
    """A results file with a model for each accuracy; ``ablations`` are accuracies by model and name."""
    results = []
    for place, (model, accuracy) in enumerate(accuracies.items()):
        for fraction in fractions:
            for seed in seeds:
                cell = folder / model / f"{fraction}" / str(seed)
                made = make_predictions(posts, accuracy * fraction**0.1, seed + 100 * place)
                write_predictions(made, cell / "predictions.jsonl")
                paths = {}
                for name, lower in (ablations or {}).get(model, {}).items():
                    paths[name] = cell / f"predictions.{name}.jsonl"
                    write_predictions(make_predictions(posts, lower, seed + 50), paths[name])
                results.append(
                    Result(
                        model,
                        data,
                        seed,
                        fraction,
                        split="valid",
                        version="a version",
                        train_posts=round(1000 * fraction),
                        metrics={"f1_strict": 0.5},
                        predictions=cell / "predictions.jsonl",
                        ablations=paths,
                    )
                )
    write_results(results, folder / RESULTS_FILE)
    return results

"""Scores over character spans: by hand, and against a plain count."""

import random

import pytest

from mner.metrics import CharacterF1
from mner.posts import Entity, Post

TEXT = "#ParisAttacks by Ana Ruiz"


def test_by_hand():
    """One exact, one widened by the word tokenizer, one of another type, one missed; words given are left out."""
    posts = [
        Post("1", ("a",), text=TEXT, spans=((1, 6, "LOC"), (17, 25, "PER"), (14, 16, "ORG"))),
        Post("2", ("b",), text="b", spans=((0, 1, "PER"),)),
        Post("3", ("c",), ("B-PER",)),
    ]
    found = [
        [Entity("LOC", 1, 2, characters=(1, 13)), Entity("PER", 3, 5, characters=(17, 25))],
        [Entity("ORG", 0, 1, characters=(0, 1))],
        [Entity("PER", 0, 1)],
    ]
    metric = CharacterF1()
    for entities, post in zip(found, posts, strict=True):
        metric.update([entities], [post])
    scores = {name: float(value) for name, value in metric.compute().items()}
    assert scores == pytest.approx({"precision": 1 / 3, "recall": 1 / 4, "f1": 2 / 7, "support": 4})
    metric.reset()
    assert float(metric.compute()["support"]) == 0


def test_against_a_plain_count():
    generator = random.Random(0)
    metric, correct, predicted, gold = CharacterF1(), 0, 0, 0
    for index in range(50):
        spans = [
            {(place, place + 2, generator.choice("PL")) for place in range(0, 12, 3) if generator.random() < 0.6}
            for _ in range(2)
        ]
        post = Post(str(index), ("x",), text="x" * 14, spans=tuple(sorted(spans[0])))
        metric.update([[Entity(kind, 0, 1, characters=(start, end)) for start, end, kind in spans[1]]], [post])
        correct, predicted, gold = correct + len(spans[0] & spans[1]), predicted + len(spans[1]), gold + len(spans[0])
    assert float(metric.compute()["f1"]) == pytest.approx(2 * correct / (predicted + gold))

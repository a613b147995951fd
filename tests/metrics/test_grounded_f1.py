"""Grounded F1: by hand, against a slow plain version, and over two processes."""

from itertools import permutations

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st

from mner.errors import ConfigurationError, DataError
from mner.metrics import CharacterF1, GroundedF1
from mner.posts import Entity, Post

LEFT, RIGHT, WHOLE = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0)
WORDS = ("a", "b", "a", "c", "a")


def scores_of(preds, posts, candidates=None, **options):
    metric = GroundedF1(**options)
    metric.update(preds, posts, candidates)
    return {name: value.item() for name, value in metric.compute().items()}


def test_by_hand():
    """Each predicted entity is wrong in one respect, but the first and the last."""
    words = ("Ann", "Bo", "in", "Oslo", "with", "UN", "EU")
    tags = ("B-PER", "B-PER", "O", "B-LOC", "O", "B-ORG", "B-ORG")
    post = Post("1", words, tags, boxes={(0, 1): (RIGHT, LEFT), (1, 2): (RIGHT,), (3, 4): (LEFT,)})
    preds = [
        Entity("PER", 0, 1, boxes=(LEFT,)),  # any of the gold boxes
        Entity("PER", 1, 2, boxes=()),  # shown, but predicted as not shown
        Entity("ORG", 3, 4, boxes=(WHOLE,)),  # an overlap of exactly one half; another type
        Entity("ORG", 5, 6, boxes=(LEFT,)),  # not shown, but predicted as shown
        Entity("ORG", 6, 7, boxes=()),
        Entity("PER", 4, 5, boxes=()),
    ]
    scores = scores_of([preds], [post], [[LEFT]])
    found = {"gmner": 2, "mner": 4, "eeg": 3}
    for name, count in found.items():
        assert scores[f"{name}_precision"] == pytest.approx(count / 6)
        assert scores[f"{name}_recall"] == pytest.approx(count / 5)
        assert scores[f"{name}_f1"] == pytest.approx(2 * count / 11)
    assert (scores["gmner_support"], scores["gmner_shown"]) == (5, 3)
    assert scores["region_coverage"] == pytest.approx(2 / 3)
    assert scores_of([preds], [post], threshold=0.51)["eeg_f1"] == pytest.approx(2 * 2 / 11)
    assert "region_coverage" not in scores_of([preds], [post])


def test_an_overlap_of_exactly_the_threshold_counts_in_single_precision():
    post = Post("1", ("Ann",), ("B-PER",), boxes={(0, 1): ((0.1, 0.1, 0.7, 0.3),)})
    box = tuple(torch.tensor([0.1, 0.1, 0.4, 0.3]).tolist())
    assert scores_of([[Entity("PER", 0, 1, boxes=(box,))]], [post])["gmner_f1"] == 1


def test_surfaces_are_matched_where_positions_differ():
    """Both gold ``a`` are matched, though the first prediction could take either of them."""
    post = Post("1", WORDS, ("B-P", "O", "B-P", "O", "O"), boxes={(0, 1): (LEFT, RIGHT), (2, 3): (LEFT,)})
    preds = [Entity("P", 2, 3, boxes=(LEFT,)), Entity("P", 4, 5, boxes=(RIGHT,))]
    assert scores_of([preds], [post])["gmner_f1"] == 0.5
    assert scores_of([preds], [post], matching="surface")["gmner_f1"] == 1
    assert scores_of([preds[::-1]], [post], matching="surface")["gmner_f1"] == 1


def test_posts_without_gold_boxes_are_left_out():
    known = Post("1", ("Ann",), ("B-PER",), boxes={})
    unknown = Post("2", ("Ann",), ("B-PER",))
    scores = scores_of([[Entity("PER", 0, 1, boxes=())], [Entity("PER", 0, 1)]], [known, unknown])
    assert (scores["gmner_f1"], scores["gmner_support"]) == (1, 1)
    assert scores_of([], [])["gmner_f1"] == 0


def test_predictions_without_boxes_or_with_several():
    post = Post("1", ("Ann",), ("B-PER",), boxes={})
    with pytest.raises(DataError, match=r"got none of \('PER', 0, 1\); give .* a model with a region head"):
        scores_of([[Entity("PER", 0, 1)]], [post])
    with pytest.raises(DataError, match="one box or none per predicted entity, got 2"):
        scores_of([[Entity("PER", 0, 1, boxes=(LEFT, RIGHT))]], [post])


@pytest.mark.parametrize("options", [{"threshold": 0}, {"threshold": 1.1}, {"matching": "words"}])
def test_options_out_of_range(options):
    with pytest.raises(ConfigurationError):
        GroundedF1(**options)


CELLS = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 2), st.integers(1, 2))
"""A box on a board of 4 x 4 cells: its corner and its size."""


def as_box(cells):
    x, y, width, height = cells
    return x / 4, y / 4, (x + width) / 4, (y + height) / 4


def overlap(one, other):
    board = [{(x + i, y + j) for i in range(width) for j in range(height)} for x, y, width, height in (one, other)]
    return len(board[0] & board[1]) / len(board[0] | board[1])


GOLD = st.lists(st.tuples(st.booleans(), st.sampled_from("PL"), st.lists(CELLS, max_size=2)), min_size=5, max_size=5)
PREDICTED = st.lists(
    st.tuples(st.booleans(), st.sampled_from("PL"), st.lists(CELLS, max_size=1)), min_size=5, max_size=5
)
CASE = st.tuples(GOLD, PREDICTED)


def as_post(gold, predicted):
    tags = tuple(f"B-{kind}" if there else "O" for there, kind, _ in gold)
    boxes = {(place, place + 1): tuple(map(as_box, cells)) for place, (there, _, cells) in enumerate(gold) if there}
    entities = [
        Entity(kind, place, place + 1, boxes=tuple(map(as_box, cells)))
        for place, (there, kind, cells) in enumerate(predicted)
        if there
    ]
    return Post("1", WORDS, tags, boxes=boxes), entities


def plain_counts(gold, predicted, threshold, by_surface):
    """Correct entities by trying every assignment of predicted to gold entities."""
    gold = [(place, *rest) for place, (there, *rest) in enumerate(gold) if there]
    predicted = [(place, *rest) for place, (there, *rest) in enumerate(predicted) if there]

    def agrees(one, other, type_, region):
        (place, kind, cells), (gold_place, gold_kind, gold_cells) = one, other
        spans = WORDS[place] == WORDS[gold_place] if by_surface else place == gold_place
        regions = (
            any(overlap(cells[0], each) >= threshold for each in gold_cells)
            if cells and gold_cells
            else not cells and not gold_cells
        )
        return spans and (kind == gold_kind or not type_) and (regions or not region)

    def best(type_, region):
        padded = gold + [None] * len(predicted)
        return (
            max(
                sum(
                    other is not None and agrees(one, other, type_, region)
                    for one, other in zip(predicted, order, strict=True)
                )
                for order in permutations(padded, len(predicted))
            )
            if len(gold) + len(predicted) <= 7
            else None
        )

    return [best(True, True), best(True, False), best(False, True)], len(predicted), len(gold)


@given(st.lists(CASE, max_size=3), st.sampled_from([0.25, 0.5, 1.0]), st.booleans())
@settings(deadline=None, max_examples=100)
def test_equals_the_plain_version(cases, threshold, by_surface):
    correct, predicted, gold, posts = [0, 0, 0], 0, 0, []
    for case in cases:
        counts, preds, target = plain_counts(*case, threshold, by_surface)
        if counts[0] is None:
            continue  # too many assignments to try
        posts.append(as_post(*case))
        correct = [total + count for total, count in zip(correct, counts, strict=True)]
        predicted, gold = predicted + preds, gold + target
    matching = "surface" if by_surface else "position"
    scores = scores_of([each for _, each in posts], [post for post, _ in posts], threshold=threshold, matching=matching)
    for name, count in zip(("gmner", "mner", "eeg"), correct, strict=True):
        assert scores[f"{name}_f1"] == pytest.approx(2 * count / max(predicted + gold, 1))
        assert scores[f"{name}_precision"] == pytest.approx(count / max(predicted, 1))
        assert scores[f"{name}_recall"] == pytest.approx(count / max(gold, 1))


def test_scores_need_no_double_precision(monkeypatch):
    """Apple's GPUs have none."""
    monkeypatch.setattr(torch.Tensor, "double", None)
    shown = Post("1", ("Ann",), ("B-PER",), boxes={(0, 1): (LEFT,)})
    raw = Post("1", ("Ann",), ("B-PER",), text="Ann", spans=((0, 3, "PER"),))
    for metric, post in ((GroundedF1(), shown), (CharacterF1(), raw)):
        metric.update([[Entity("PER", 0, 1, characters=(0, 3), boxes=(LEFT,))]], [post])
        assert all(value.dtype != torch.float64 for value in metric.compute().values())


def _share(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    post = Post("1", ("Ann", "Bo"), ("B-PER", "B-PER"), boxes={(0, 1): (LEFT,)})
    metric = GroundedF1()
    if rank == 0:
        metric.update([[Entity("PER", 0, 1, boxes=(LEFT,))]], [post], [[LEFT, RIGHT]])
    else:  # one without gold boxes, which has no candidates either
        metric.update([[]], [Post("2", ("Ann",), ("B-PER",))], [[]])
        metric.update([[Entity("PER", 1, 2, boxes=(LEFT,))]], [post], [[RIGHT]])
    scores = metric.compute()
    assert scores["gmner_f1"].item() == pytest.approx(2 * 1 / 6)
    assert scores["region_coverage"].item() == 0.5
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes(tmp_path):
    mp.spawn(_share, (str(tmp_path),), nprocs=2)

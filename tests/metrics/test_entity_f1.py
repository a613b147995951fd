"""Entity F1 against seqeval, and over two processes."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import sequence_labeling, v1
from seqeval.scheme import IOB2, IOBES

from mner.errors import ConfigurationError, LabelError, ShapeError
from mner.labels import labels_for
from mner.metrics import EntityF1

TYPES = ["PER", "LOC", "ORG"]
PEER = {"BIO": IOB2, "BIOES": IOBES}
LENGTHS = [5, 0, 8, 1, 3, 8]


def batch(scheme, seed, posts=6):
    """Gold at random, most often ``O``, and a prediction that agrees with it on most words."""
    generator = torch.Generator().manual_seed(seed)
    size = len(labels_for(TYPES, scheme))
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:posts, None]

    def draw(share):
        tags = torch.randint(size, mask.shape, generator=generator)
        return tags, torch.rand(mask.shape, generator=generator) < share

    gold, spoken = draw(0.7)
    gold = gold * spoken
    noise, changed = draw(0.3)
    return torch.where(changed, noise, gold), gold, mask


@given(
    st.sampled_from(["BIO", "BIOES"]),
    st.sampled_from(["conlleval", "strict"]),
    st.integers(0, 10**6),
    st.integers(1, 6),
)
@settings(deadline=None, max_examples=40)
def test_micro_macro_and_types_are_seqevals(scheme, convention, seed, posts):
    labels = labels_for(TYPES, scheme)
    predicted, gold, mask = batch(scheme, seed, posts)
    metric = EntityF1(labels, convention)
    metric.update(predicted, gold, mask)
    scores = {name: value.item() for name, value in metric.compute().items()}
    rows = [
        [[labels[tag] for tag in row[keep]] for row, keep in zip(tags, mask, strict=True)] for tags in (gold, predicted)
    ]

    def expect(average):
        if convention == "strict":
            return v1.precision_recall_fscore_support(*rows, average=average, scheme=PEER[scheme], zero_division=0)
        return sequence_labeling.precision_recall_fscore_support(*rows, average=average, zero_division=0)

    by_type = expect(None)
    if len(by_type[3]) == 0:  # no entity at all
        assert scores["f1"] == scores["macro_f1"] == scores["support"] == 0
        return
    precision, recall, f1, support = expect("micro")
    assert [scores[name] for name in ("precision", "recall", "f1")] == pytest.approx([precision, recall, f1])
    assert scores["support"] == support
    assert scores["macro_f1"] == pytest.approx(expect("macro")[2])
    # seqeval lists the types that occur, by name.
    counts = dict(zip(TYPES, (metric.gold + metric.predicted).tolist(), strict=False))
    occurring = sorted(type_ for type_, count in counts.items() if count)
    for name, values in zip(("precision", "recall", "f1", "support"), by_type, strict=True):
        assert [scores[f"{name}_{type_}"] for type_ in occurring] == pytest.approx(list(values))


def test_by_hand():
    """Gold PER at 0-2 and LOC at 3; predicted PER at 0-2 and ORG at 3; then a border missed."""
    labels = labels_for(TYPES)
    per, inside, loc, org = (labels.index(tag) for tag in ("B-PER", "I-PER", "B-LOC", "B-ORG"))
    gold = torch.tensor([[per, inside, 0, loc], [per, inside, inside, 0]])
    predicted = torch.tensor([[per, inside, 0, org], [per, inside, 0, 0]])
    metric = EntityF1(labels)
    metric.update(predicted, gold, torch.ones_like(gold, dtype=torch.bool))
    scores = {name: round(value.item(), 4) for name, value in metric.compute().items()}
    assert scores == {
        "f1": 0.3333, "precision": 0.3333, "recall": 0.3333, "support": 3, "macro_f1": 0.1667,
        "f1_PER": 0.5, "precision_PER": 0.5, "recall_PER": 0.5, "support_PER": 2,
        "f1_LOC": 0.0, "precision_LOC": 0.0, "recall_LOC": 0.0, "support_LOC": 1,
        "f1_ORG": 0.0, "precision_ORG": 0.0, "recall_ORG": 0.0, "support_ORG": 0,
    }  # fmt: skip


def test_the_conventions_differ_on_stray_tags():
    tags, mask = torch.tensor([[0, 2, 0, 1]]), torch.ones(1, 4, dtype=torch.bool)
    supports = {}
    for convention in ("conlleval", "strict"):
        metric = EntityF1(["O", "B-PER", "I-PER"], convention)
        metric.update(tags, tags, mask)
        supports[convention] = metric.compute()["support"].item()
    assert supports == {"conlleval": 2, "strict": 1}


def test_batches_add_up_and_padding_does_not_count():
    labels = labels_for(TYPES)
    predicted, gold, mask = batch("BIO", 1)
    whole, parts = EntityF1(labels), EntityF1(labels)
    whole.update(predicted, gold, mask)
    for start, end, words in [(0, 2, 5), (2, 4, 8), (4, 6, 8)]:
        parts.update(*(tensor[start:end, :words] for tensor in (predicted, gold, mask)))
    assert parts.compute() == whole.compute()
    predicted[~mask], gold[~mask] = 1, -100
    padded = EntityF1(labels)
    padded.update(predicted, gold, mask)
    assert padded.compute() == whole.compute()


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_a_batch_of_nothing(shape):
    metric = EntityF1(labels_for(TYPES))
    metric.update(*torch.zeros(2, *shape, dtype=torch.long), torch.zeros(shape, dtype=torch.bool))
    assert all(value == 0 for value in metric.compute().values())


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_reset():
    metric = EntityF1(labels_for(TYPES))
    metric.update(*batch("BIO", 0))
    metric.reset()
    assert metric.compute()["support"] == 0


def test_bad_input():
    with pytest.raises(ConfigurationError, match="convention to be one of conlleval, strict"):
        EntityF1(["O"], "conll")
    with pytest.raises(ConfigurationError, match="at least one label"):
        EntityF1([])
    with pytest.raises(LabelError, match="U-PER"):
        EntityF1(["O", "U-PER"])
    predicted, gold, mask = batch("BIO", 0)
    with pytest.raises(ShapeError, match="one shape"):
        EntityF1(labels_for(TYPES)).update(predicted[:, 1:], gold, mask)


def evaluate_share(rank, folder):
    """One of two processes: it sees five posts or one."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    share = slice(0, 5) if rank == 0 else slice(5, 6)
    metric = EntityF1(labels_for(TYPES))
    metric.update(*(tensor[share] for tensor in batch("BIO", 2)))
    torch.save(metric.compute(), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_with_uneven_shares_give_what_one_gives(tmp_path):
    mp.spawn(evaluate_share, (str(tmp_path),), nprocs=2)
    whole = EntityF1(labels_for(TYPES))
    whole.update(*batch("BIO", 2))
    assert 0 < whole.compute()["f1"] < 1
    for rank in (0, 1):
        assert torch.load(tmp_path / f"{rank}.pt") == whole.compute()

"""Labels against seqeval, on random sequences that obey no scheme."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, IOBES, Entities

from mner.errors import ConfigurationError, LabelError
from mner.labels import (
    check_tags,
    continues,
    labels_for,
    legal_transitions,
    opens,
    repair,
    scheme_of,
    spans,
    split_tag,
    tags_of,
    to_bio,
    to_bioes,
    types_of,
)
from mner.posts import Entity

TYPES = ["PER", "LOC", "geo-loc"]
PEER = {"BIO": IOB2, "BIOES": IOBES}
schemes = st.sampled_from(["BIO", "BIOES"])
sequences = schemes.flatmap(
    lambda scheme: st.tuples(st.just(scheme), st.lists(st.sampled_from(labels_for(TYPES, scheme)), max_size=9))
)


def found(tags, *args):
    return [entity.span for entity in spans(tags, *args)]


@given(sequences)
def test_conlleval_is_seqevals_default(case):
    _, tags = case
    assert found(tags) == [(type_, start, end + 1) for type_, start, end in get_entities(tags)]


@given(sequences)
def test_strict_is_seqevals_strict_mode(case):
    scheme, tags = case
    peer = [(entity.tag, entity.start, entity.end) for entity in Entities([tags], PEER[scheme]).entities[0]]
    assert found(tags, "strict", scheme) == peer


@given(sequences)
def test_repair_keeps_the_entities_and_makes_them_strict(case):
    scheme, tags = case
    repaired = repair(tags, scheme)
    assert found(repaired, "strict", scheme) == found(repaired) == found(tags)
    assert is_legal(repaired, labels_for(TYPES, scheme))
    assert repair(repaired, scheme) == repaired


@given(sequences)
def test_repair_leaves_a_legal_sequence_alone(case):
    scheme, tags = case
    if is_legal(tags, labels_for(TYPES, scheme)):
        assert repair(tags, scheme) == tags


@given(st.lists(st.sampled_from(labels_for(TYPES)), max_size=9))
def test_repair_of_bio_changes_no_more_than_the_stray_tags(tags):
    stray = sum(tag[0] == "I" and not (i and continues(tags[i - 1], tag)) for i, tag in enumerate(tags))
    assert sum(old != new for old, new in zip(tags, repair(tags), strict=True)) == stray


@given(sequences)
def test_conversion_there_and_back(case):
    _, tags = case
    assert found(to_bioes(tags), "strict", "BIOES") == found(to_bio(tags), "strict", "BIO") == found(tags)
    assert to_bio(to_bioes(tags)) == to_bio(tags)


@given(sequences)
def test_tags_of_inverts_spans(case):
    scheme, tags = case
    entities = spans(tags)
    assert spans(tags_of(reversed(entities), len(tags), scheme)) == entities


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_legal_sequences_are_those_that_spell_entities(scheme):
    """By enumeration: a sequence is legal if and only if it is what its own entities spell."""
    labels = labels_for(["PER", "LOC"], scheme)
    for tags in itertools.chain.from_iterable(itertools.product(labels, repeat=n) for n in (1, 2, 3)):
        assert is_legal(tags, labels) == (tags_of(spans(tags), len(tags), scheme) == list(tags))


def is_legal(tags, labels):
    start, between, end = legal_transitions(labels)
    index = [labels.index(tag) for tag in tags]
    pairs = all(between[left][right] for left, right in itertools.pairwise(index))
    return not index or (start[index[0]] and pairs and end[index[-1]])


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_legal_transitions_pair_by_pair(scheme):
    labels = labels_for(["PER", "LOC", "work of art"], scheme)
    _, between, end = legal_transitions(labels)
    for left, row in enumerate(between):
        for right, legal in enumerate(row):
            assert legal == (continues(labels[left], labels[right]) or (end[left] and opens(labels[right])))


def test_the_number_of_legal_transitions_of_many_labels():
    """Closing to opening labels, and four within each type."""
    _, between, _ = legal_transitions(labels_for([str(index) for index in range(1000)], "BIOES"))
    assert sum(map(sum, between)) == (1 + 2 * 1000) ** 2 + 4 * 1000


def test_label_lists():
    assert labels_for(["PER"], "BIOES") == ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
    assert types_of(["I-geo-loc", "O", "B-PER", "B-geo-loc"]) == ["geo-loc", "PER"]
    assert split_tag("O") == ("O", "")


def test_scheme_of():
    assert scheme_of([]) == scheme_of(["I-PER", "O"]) == "BIO"
    assert scheme_of(["O", "E-PER"]) == "BIOES"


@pytest.mark.parametrize("tag", ["L-PER", "U-PER", "X", "PER", "", "B-", "B", "-PER", "BI-PER", "o", "b-PER"])
def test_tags_of_another_scheme_are_named(tag):
    with pytest.raises(LabelError, match=repr(tag)):
        scheme_of(["O", tag])
    with pytest.raises(LabelError, match=repr(tag)):
        spans([tag])


def test_bilou_and_context_tags_come_with_their_remedy():
    with pytest.raises(LabelError, match="rename L- to E-"):
        scheme_of(["B-PER", "L-PER"])
    with pytest.raises(LabelError, match="context"):
        scheme_of(["X"])


def test_bioes_tags_are_refused_where_bio_is_said():
    with pytest.raises(LabelError, match="to_bio"):
        spans(["S-PER"], "strict", "BIO")
    with pytest.raises(LabelError, match="to_bio"):
        repair(["S-PER"], "BIO")


@pytest.mark.parametrize(
    "entities",
    [[Entity("PER", 0, 4)], [Entity("PER", 0, 2), Entity("LOC", 1, 3)]],
    ids=["beyond", "overlap"],
)
def test_entities_that_no_tags_can_spell(entities):
    with pytest.raises(LabelError, match=r"PER|LOC"):
        tags_of(entities, 3)


def test_check_tags_names_the_stranger_and_its_like():
    check_tags(["O", "B-PER"], labels_for(["PER"]))
    with pytest.raises(LabelError, match=r"'B-PERS' \(close: B-PER"):
        check_tags(["O", "B-PERS", "B-LOC"], labels_for(["PER"]))
    with pytest.raises(LabelError, match="close: O, B-PER, I-PER"):
        check_tags(["zzz"], labels_for(["PER"]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: labels_for(["PER"], "BILOU"),
        lambda: spans(["O"], "conll"),
        lambda: spans(["O"], "strict", "IOB1"),
        lambda: tags_of([], 1, "IOB1"),
    ],
)
def test_unknown_options(call):
    with pytest.raises(ConfigurationError, match=r"expected .* to be one of"):
        call()


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "conlleval", "strict"),
    [
        ("twitter2015/train.txt", 6352, 6166),
        ("twitter2015/valid.txt", 1594, 1541),
        ("twitter2017/train.txt", 6049, 6049),
        ("twitter2017/valid.txt", 1324, 1324),
    ],
)
def test_the_entities_of_the_published_files(file, conlleval, strict):
    text = (Path(os.environ["MNER_DATA"]) / file).read_text(encoding="utf-8")
    posts = [[line.split("\t")[1] for line in post.split("\n") if "\t" in line] for post in text.split("IMGID:")]
    assert sum(len(spans(tags)) for tags in posts) == conlleval
    assert sum(len(spans(tags, "strict")) for tags in posts) == strict
    assert sum(len(spans(repair(tags), "strict")) for tags in posts) == conlleval

"""Spans in the layouts of other programs that need more than a rename: tags as types, and GLiNER's inclusive ends."""

import json

import pandas as pd
import pytest

from mner.data.readers import read_posts
from mner.errors import FormatError

TEXT = "EU and Peter Blackburn"


def spans_of(*spans):
    """AutoGluon's table with one row; a span is its first word, and the tag that is its type."""
    annotation = [{"entity_group": kind, "start": start, "end": end} for start, end, kind in spans]
    return pd.DataFrame({"text_snippet": [TEXT], "entity_annotations": [json.dumps(annotation)]})


def test_spans_of_words_with_tags_as_types_are_joined():
    table = spans_of((0, 2, "B-ORG"), (13, 22, "I-PER"), (7, 12, "B-PER"))
    with pytest.warns(UserWarning, match="spans of words whose types are tags, B- and I-, are joined"):
        (post,) = read_posts(table)
    assert post.spans == ((0, 2, "ORG"), (7, 22, "PER"))


def test_joined_spans_of_words_have_their_text(tmp_path):
    words = TEXT.split()
    spans = [
        {"start": 2, "end": 3, "type": "B-PER", "text": "Peter"},
        {"start": 3, "end": 4, "type": "I-PER", "text": "Blackburn"},
    ]
    (tmp_path / "posts.jsonl").write_text(json.dumps({"tokens": words, "entities": spans}), encoding="utf-8")
    with pytest.warns(UserWarning, match="joined"):
        (post,) = read_posts(tmp_path / "posts.jsonl")
    assert post.tags == ("O", "O", "B-PER", "I-PER")


@pytest.mark.parametrize(
    ("spans", "named"),
    [
        ([(7, 12, "I-PER")], "7-12 has the tag 'I-PER'"),  # continues nothing
        ([(0, 2, "B-PER"), (7, 12, "I-PER")], "7-12 has the tag 'I-PER'"),  # a word is between
        ([(7, 12, "B-PER"), (13, 22, "I-ORG")], "13-22 has the tag 'I-ORG'"),
        ([(7, 12, "PER"), (13, 22, "B-ORG")], "7-12 has the tag 'PER'"),
        ([(7, 10, "B-PER"), (10, 12, "B-PER")], "10-12 has the tag 'B-PER'"),  # parts of a word
        ([(7, 22, "S-PER")], "7-22 has the tag 'S-PER'"),
    ],
)
def test_tags_that_do_not_continue_an_entity(spans, named):
    with pytest.raises(FormatError, match=f"{named}, where a type such as PER was expected"):
        read_posts(spans_of(*spans))


def test_exclusive_ends_are_not_those_of_gliner(tmp_path):
    path = tmp_path / "gliner.json"
    path.write_text(json.dumps({"tokenized_text": TEXT.split(), "ner": [[2, 4, "person"]]}), encoding="utf-8")
    with pytest.raises(FormatError, match=r"\[2, 4, 'person'\] ends after the last of 4 words. .* ends inclusive"):
        read_posts(path)

"""Prodigy's tasks of several annotators, and spaCy's documents with several span groups or annotated in part."""

import json

import pytest

from mner.data.readers import iter_posts, read_posts
from mner.errors import FormatError

TASK = {"text": "Ana in Lugo", "_input_hash": 1, "_task_hash": 2, "answer": "accept"}
PER, LOC = {"start": 0, "end": 3, "label": "PER"}, {"start": 7, "end": 11, "label": "LOC"}


@pytest.fixture
def write(tmp_path):
    def write(*values):
        (tmp_path / "posts.jsonl").write_text("\n".join(map(json.dumps, values)), encoding="utf-8")
        return tmp_path / "posts.jsonl"

    return write


@pytest.mark.filterwarnings("ignore:.*posts whose annotation Prodigy's answer rejects")
def test_a_task_of_several_annotators_is_one_post(write):
    path = write(
        {**TASK, "spans": [PER], "_annotator_id": "ana"},
        {**TASK, "text": "hi", "_task_hash": 3, "spans": [], "_annotator_id": "ana"},
        {**TASK, "spans": [PER, LOC], "_annotator_id": "bo"},
        {**TASK, "spans": [], "answer": "ignore", "_annotator_id": "eva"},
    )
    with pytest.raises(FormatError, match=r"the task 1 has 2 annotations that differ \(annotators: ana, bo\)"):
        read_posts(path)
    assert [post.spans for post in read_posts(path, annotator="ana")] == [((0, 3, "PER"),), ()]
    assert [post.spans for post in read_posts(path, annotator="bo")] == [((0, 3, "PER"), (7, 11, "LOC")), None]


def test_annotators_who_agree(write):
    path = write(*({**TASK, "spans": [PER], "_session_id": name} for name in ("a", "b")))
    assert [post.spans for post in read_posts(path)] == [((0, 3, "PER"),)]


GROUPS = {"sc": [PER], "ruler": [LOC]}
DOCUMENT = {"text": TASK["text"], "tokens": [{"id": 0, "start": 0, "end": 3}, {"id": 1, "start": 4, "end": 6}]}
DOCUMENT["tokens"].append({"id": 2, "start": 7, "end": 11})


def test_of_several_span_groups_one_is_named(write):
    path = write({**DOCUMENT, "spans": GROUPS})
    with pytest.raises(FormatError, match=r"2 span groups of spaCy \(sc, ruler\), .* --columns spans=spans.sc"):
        read_posts(path)
    (post,) = read_posts(path, columns={"spans": "spans.sc"})
    assert (post.tags, post.metadata["spans"]) == (("B-PER", "O", "O"), {"ruler": [LOC]})


def test_a_document_of_spacy_that_is_annotated_in_part(tmp_path):
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin, Span

    doc = spacy.blank("en")("Ana in Lugo")
    doc.set_ents([Span(doc, 0, 1, "PER")], default="missing")
    DocBin(docs=[doc]).to_disk(tmp_path / "posts.spacy")
    with pytest.raises(FormatError, match=r"row 1: the document is annotated in part.*: in, Lugo\. .*'outside'"):
        read_posts(tmp_path / "posts.spacy")
    with pytest.warns(UserWarning, match="annotated in part"):
        (post,) = iter_posts(tmp_path / "posts.spacy", lenient=True)
    assert (post.words, post.tags, post.metadata) == (("Ana", "in", "Lugo"), None, {})

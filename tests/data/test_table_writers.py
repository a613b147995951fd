"""Posts written as tables read back equal; predictions become what other tools import."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
pytest.importorskip("datasets")

import pandas as pd

from mner.data.readers import read_posts
from mner.data.table_writers import to_data_frame, to_dataset, to_doc_bin, to_label_studio, write_parquet
from mner.errors import DataError
from mner.posts import Entity, Post
from mner.predictions import Prediction
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Z"]), min_size=1, max_size=6)
WORDS = st.lists(TEXT, min_size=1, max_size=5).map(tuple)
METADATA = st.dictionaries(TEXT, st.one_of(st.integers(-9, 9), TEXT, st.none(), st.lists(TEXT, max_size=2)), max_size=2)
CONTEXTS = st.dictionaries(st.sampled_from(["caption", "ocr"]), st.just("a dog"), max_size=2)
TAGS = st.sampled_from([None, "O", "B-PER", "B-LOC"])


@st.composite
def posts(draw):
    words, tag = draw(WORDS), draw(TAGS)
    post = Post("", words, None if tag is None else (tag, *["O"] * (len(words) - 1)))
    if draw(st.booleans()):
        post = raw_post("Ana in Lugo", TweetTokenizer(), draw(st.sampled_from([None, (), ((0, 3, "PER"),)])), id="")
    image = draw(st.sampled_from([None, Path("1.jpg"), Path("a/2.png")]))
    return replace(post, contexts=draw(CONTEXTS), metadata=draw(METADATA), image=image)


def numbered(many):
    return [replace(post, id=str(number)) for number, post in enumerate(many)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(posts(), min_size=1, max_size=6).map(numbered))
def test_round_trips(tmp_path, many):
    assert read_posts(to_data_frame(many)) == many
    assert read_posts(to_dataset(many)) == many
    write_parquet(many, tmp_path / "posts.parquet")
    assert read_posts(tmp_path / "posts.parquet") == many


def test_images_are_relative_and_absolute_ones_refused(tmp_path):
    many = [Post("1", ("a",), image=tmp_path / "images" / "1.jpg")]
    write_parquet(many, tmp_path / "posts.parquet", images=tmp_path / "images")
    assert read_posts(tmp_path / "posts.parquet", images=tmp_path / "images") == many
    assert pd.read_parquet(tmp_path / "posts.parquet")["image"].tolist() == ["1.jpg"]
    with pytest.raises(DataError, match="give the image folder"):
        write_parquet(many, tmp_path / "other.parquet")
    assert not (tmp_path / "other.parquet").exists()


PREDICTIONS = [
    Prediction(Post("1", ("in", "St", "Louis"), image=Path("1.jpg")), (Entity("LOC", 1, 3, confidence=0.75),)),
    Prediction(raw_post("😀 Ana!", TweetTokenizer(), id="2"), (Entity("PER", 1, 2),)),
]


def test_predictions_as_a_data_frame():
    frame = to_data_frame(PREDICTIONS)
    assert json.loads(frame["predicted"][0]) == [
        {"type": "LOC", "text": "St Louis", "start": 1, "end": 3, "confidence": 0.75}
    ]
    assert frame["id"].tolist() == ["1", "2"]


def test_label_studio_imports_predictions(tmp_path):
    tasks = to_label_studio(PREDICTIONS)
    assert [task["data"] for task in tasks] == [
        {"id": "1", "text": "in St Louis", "image": "1.jpg"},
        {"id": "2", "text": "😀 Ana!"},
    ]
    values = [region["value"] for task in tasks for region in task["predictions"][0]["result"]]
    assert values == [
        {"start": 3, "end": 11, "text": "St Louis", "labels": ["LOC"]},
        {"start": 2, "end": 5, "text": "Ana", "labels": ["PER"]},
    ]
    # Accepted as they are by an annotator, they are the annotation of a task.
    accepted = [{**task, "annotations": task.pop("predictions")} for task in tasks]
    (tmp_path / "export.json").write_text(json.dumps(accepted), encoding="utf-8")
    assert [post.spans for post in read_posts(tmp_path / "export.json")] == [((3, 11, "LOC"),), ((2, 5, "PER"),)]


def test_spacy_reads_and_writes_the_same_entities(tmp_path):
    pytest.importorskip("spacy")
    tagged = [Post("1", ("in", "St", "Louis"), ("O", "B-LOC", "I-LOC")), Post("2", ("Ana",), ("O",)), Post("3", ("x",))]
    to_doc_bin(tagged).to_disk(tmp_path / "posts.spacy")
    read = read_posts(tmp_path / "posts.spacy")
    assert [(post.words, post.tags) for post in read] == [(post.words, post.tags) for post in tagged]
    to_doc_bin(PREDICTIONS).to_disk(tmp_path / "predicted.spacy")
    assert [post.tags for post in read_posts(tmp_path / "predicted.spacy")] == [
        ("O", "B-LOC", "I-LOC"),
        ("O", "B-PER", "O"),
    ]

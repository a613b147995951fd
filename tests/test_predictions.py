"""Predictions files read back as they were written."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mner.errors import FormatError
from mner.posts import Entity, Post
from mner.predictions import Prediction, read_predictions, write_predictions

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)


@st.composite
def predictions(draw):
    words = draw(st.lists(TEXT, max_size=6))
    count = len(words)
    tags = draw(st.none() | st.lists(st.sampled_from(["O", "B-PER", "I-PER"]), min_size=count, max_size=count))
    bounds = sorted(draw(st.sets(st.integers(0, len(words)), max_size=4)))
    entities = tuple(
        Entity("PER", start, end, " ".join(words[start:end]), round(draw(st.floats(0, 1)), 6), (start, 2 * end))
        for start, end in zip(bounds[::2], bounds[1::2], strict=False)
    )
    text = draw(st.none() | TEXT)
    post = Post(
        draw(TEXT),
        tuple(words),
        None if tags is None else tuple(tags),
        Path("7.jpg") if draw(st.booleans()) else None,
        draw(st.dictionaries(TEXT, TEXT, max_size=2)),
        text,
        None if text is None else tuple((index, index + 1) for index in range(len(words))),
        draw(st.dictionaries(TEXT, st.integers(), max_size=1)),
    )
    return Prediction(post, entities)


@settings(deadline=None, max_examples=60)
@given(st.lists(predictions(), min_size=1, max_size=3))
def test_what_is_written_is_read(tmp_path_factory, written):
    path = tmp_path_factory.getbasetemp() / "predictions" / "round_trip.jsonl"
    write_predictions(written, path)
    assert read_predictions(path) == written
    assert not path.with_name("round_trip.jsonl.partial").exists()


def test_a_line_says_gold_and_predicted_entities():
    post = Post("5", ("Oracle", "Arena", "!"), ("B-LOC", "I-LOC", "O"), Path("images/5.jpg"))
    record = Prediction(post, (Entity("ORG", 0, 1, confidence=0.25),)).to_dict()
    assert record["gold"] == [{"type": "LOC", "text": "Oracle Arena", "start": 0, "end": 2}]
    assert record["predicted"] == [{"type": "ORG", "text": "Oracle", "start": 0, "end": 1, "confidence": 0.25}]
    assert record["image"] == "5.jpg"


def test_a_post_without_annotation_has_no_gold():
    assert "gold" not in Prediction(Post("5", ("a",)), ()).to_dict()


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "predictions.jsonl"
    write_predictions([Prediction(Post("old", ("a",)), ())], path)

    def failing():
        yield Prediction(Post("new", ("a",)), ())
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_predictions(failing(), path)
    assert [prediction.post.id for prediction in read_predictions(path)] == ["old"]


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "5"}', '{"id": "5", "words": ["a"], "predicted": [{}]}', "", "3"])
def test_a_line_that_is_no_prediction_is_named(tmp_path, line):
    path = tmp_path / "predictions.jsonl"
    good = json.dumps(Prediction(Post("5", ("a",)), ()).to_dict())
    path.write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"predictions.jsonl, line 2: not a prediction") as caught:
        read_predictions(path)
    assert caught.value.line == 2


def test_an_empty_file_and_a_missing_one_are_refused(tmp_path):
    path = tmp_path / "predictions.jsonl"
    with pytest.raises(FormatError, match="no such file"):
        read_predictions(path)
    path.touch()
    with pytest.raises(FormatError, match="no predictions in the file"):
        read_predictions(path)
